"""What the rules of advice rest on, with the figure that speaks for each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """Who, where, and what was found there."""

    name: str
    place: str
    found: str


OVADIA = Source(
    "Ovadia et al. 2023",
    "arXiv 2312.05934, table 2",
    "Mistral-7B on new facts: base .481, RAG .875, fine-tuned .504, fine-tuned with ten wordings .588",
)
SOUDANI = Source(
    "Soudani et al. 2024",
    "arXiv 2403.01432",
    "StableLM2-1.6B on PopQA: base 17, fine-tuned 22, RAG 76, both about 82; small models gain most",
)
RAFT = Source(
    "Zhang et al. 2024 (RAFT)",
    "arXiv 2403.10131, table 1",
    "Llama2-7B on PubMed: RAG 58.8, fine-tuned 59.7, trained to read with distractors 73.3",
)
AGRICULTURE = Source(
    "Balaguer et al. 2024",
    "arXiv 2401.08406",
    "agriculture: fine-tuning more than 6 points, RAG a further 5 on top",
)
GEKHMAN = Source(
    "Gekhman et al. 2024",
    "arXiv 2405.05904",
    "new facts are learnt more slowly than known ones, and once learnt they make a model invent more",
)
LIMA = Source(
    "Zhou et al. 2023 (LIMA)",
    "arXiv 2305.11206",
    "1,000 chosen examples were enough to teach form and tone; knowledge came from pretraining",
)
GURURANGAN = Source(
    "Gururangan et al. 2020",
    "arXiv 2004.10964, section 3.1",
    "the less vocabulary a field shares with what the model was raised on, the more there is to gain",
)
LEWIS = Source(
    "Lewis et al. 2020",
    "arXiv 2005.11401",
    "answers from retrieved passages were more specific, more diverse and more factual",
)
ALCE = Source(
    "Gao et al. 2023 (ALCE)",
    "arXiv 2305.14627",
    "citations have to be checked: the best models lacked full support for half of their answers on ELI5",
)
OPENAI = Source(
    "OpenAI, fine-tuning guide",
    "platform.openai.com/docs/guides/fine-tuning",
    "clear improvements from 50 to 100 examples",
)
HOUSE = Source("Loresmith", "docs/finetuning.md, docs/architecture.md", "by design of this program")
