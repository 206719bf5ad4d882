"""Text in pictures by Tesseract's models (tessdata) through LiteParse; nothing is downloaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from loresmith.config import ParsingSection
from loresmith.errors import ParseError
from loresmith.parsing.draft import Draft

_PLACES = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


def tessdata_folder() -> Path | None:
    """Where the models lie: TESSDATA_PREFIX, else where packages put them."""
    own = os.environ.get("TESSDATA_PREFIX")
    for place in filter(None, (own, own and os.path.join(own, "tessdata"), *_PLACES)):
        if any(Path(place).glob("*.traineddata")):
            return Path(place)
    return None


def tessdata(settings: ParsingSection) -> tuple[str, str, str]:
    """Folder, languages joined by "+", and where either is "" what is missing."""
    if not settings.ocr:
        return "", "", "OCR is switched off (parsing.ocr)"
    folder = tessdata_folder()
    if folder is None:
        return "", "", "OCR needs tessdata, e.g. `apt install tesseract-ocr-eng`"
    present = [name for name in settings.ocr_languages if (folder / f"{name}.traineddata").exists()]
    if not present:
        wanted = " ".join(f"tesseract-ocr-{name}" for name in settings.ocr_languages)
        return (
            str(folder),
            "",
            f"OCR needs tessdata for {', '.join(settings.ocr_languages)}, e.g. `apt install {wanted}`",
        )
    return str(folder), "+".join(present), ""


def read_image(data: bytes, *, settings: ParsingSection, **_: Any) -> Draft:
    folder, languages, missing = tessdata(settings)
    if not languages:
        raise ParseError(f"is a picture and was not read: {missing}.")
    from loresmith.parsing.pdf import read_pictured

    return read_pictured(data, folder, languages)
