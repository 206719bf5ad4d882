"""Training: a dataset and a base model -> an adapter with its card, planned before and proved after.

architecture -> plan -> (probe) -> recipe -> adapter -> export
"""

import logging

# At its import it warns of kernels that it could fetch from a hub: not a thing for users to act on.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
