"""Makes minilm_reference.json: run where sentence-transformers is installed, on the model's folder.

python tests/models/make_reference.py ~/.cache/loresmith/models/all-MiniLM-L6-v2
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import numpy as np

TEXTS = [
    "flange bolt torque P-200",
    "What is the warranty period of the pump?",
    "Tighten the M8 flange bolts crosswise to 25 Nm, then check the gasket for leaks.",
    "The pump must not run dry. Fill the suction line completely before the first start.",
    "Error E-14: motor overload. Let the motor cool for 30 minutes and check the phase currents.",
    "Part number; Description; Stock; Price\nP-200-17; mechanical seal; 14; 86.50 EUR",
    "Die Pumpe darf nicht trocken laufen.",
    "Où se trouve la vanne de purge ?",
    "La guarnizione meccanica va sostituita ogni 8.000 ore.",
    "水泵的额定流量是每小时50立方米。",
    "ÄÖÜ ß café naïve — “quotes” … 10.5 °C ± 0.2 µm",
    "Maintenance log 2024-03-18: replaced bearing 6205-2RS on pump 7, vibration down from 7.1 to 2.3 mm/s.",
    "How often must the oil in the bearing housing be changed?",
    "def restart(pump):\n    pump.stop()\n    pump.start()",
    "The supplier grants a warranty of 24 months from delivery, at most 36 months after the pump has "
    "left the works. Wear parts such as seals, bearings and impellers are excluded. Claims must be made "
    "in writing within two weeks after the defect was noticed, with the serial number of the pump.",
    "see https://example.com/manuals/p-200.pdf or call +49 30 1234567",
    "Net sales rose to $4,316 million in the third quarter, 8.2% above the same quarter of last year.",
    "pump pump pump pump pump pump pump pump",
    "NPSH required: 2.1 m at 50 m³/h; head 32 m; efficiency 71 %; speed 2,900 rpm; power 7.5 kW. " * 12,
    "Before any work on the unit, switch the power off, lock the switch and wait until the shaft stands "
    "still. " * 30,
]


def main(folder: str) -> None:
    from sentence_transformers import SentenceTransformer

    vectors = SentenceTransformer(folder).encode(TEXTS, normalize_embeddings=True)
    encoded = base64.b64encode(np.asarray(vectors, "<f4").tobytes()).decode()
    target = Path(__file__).with_name("minilm_reference.json")
    target.write_text(json.dumps({"texts": TEXTS, "vectors": encoded}, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
