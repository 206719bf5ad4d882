"""Language by script and stop words; sentences with exact spans."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loresmith.language import detect, sentences

TEXTS = {
    "en": "The pump must not be started before the valve on the suction side has been opened.",
    "de": "Die Pumpe darf nicht gestartet werden, bevor das Ventil auf der Saugseite geöffnet ist.",
    "fr": "La pompe ne doit pas être mise en marche avant que la vanne soit ouverte par un technicien.",
    "es": "La bomba no se debe poner en marcha antes de que la válvula esté abierta por el técnico.",
    "it": "La pompa non deve essere avviata prima che la valvola sul lato di aspirazione sia aperta.",
    "nl": "De pomp mag niet worden gestart voordat de klep aan de zuigzijde is geopend door een monteur.",
    "pt": "A bomba não deve ser ligada antes que a válvula do lado da sucção esteja aberta pelo técnico.",
    "ro": "Pompa nu trebuie pornită înainte ca supapa de pe partea de aspirație să fie deschisă de către om.",
    "pl": "Pompy nie wolno uruchamiać, zanim zawór po stronie ssącej nie zostanie otwarty przez technika.",
    "sv": "Pumpen får inte startas innan ventilen på sugsidan har öppnats och kontrollerats av en tekniker.",
    "ru": "Насос нельзя включать до того, как на стороне всасывания будет открыт клапан.",
    "uk": "Насос не можна вмикати до того, як на стороні всмоктування буде відкрито клапан, що є у нього.",
    "el": "Η αντλία δεν πρέπει να ξεκινήσει πριν ανοίξει η βαλβίδα στην πλευρά αναρρόφησης.",
    "zh": "在吸入侧阀门打开之前，不得启动水泵。",
    "ja": "吸込側の弁を開ける前にポンプを起動してはならない。",
    "ko": "흡입 측 밸브를 열기 전에 펌프를 시동하지 마십시오.",
    "ar": "لا يجوز تشغيل المضخة قبل فتح الصمام في جانب السحب.",
    "fa": "پیش از باز شدن شیر در سمت مکش نباید پمپ را روشن کرد.",
}


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_detect_names_the_language_of_one_sentence(language: str) -> None:
    assert detect(TEXTS[language]) == language


@pytest.mark.parametrize("text", ["", "   ", "P-200 25 Nm; 10.5 bar", "12345", "Ventil", "…!?"])
def test_detect_does_not_guess(text: str) -> None:
    assert detect(text) == ""


def test_a_part_is_in_another_language_only_on_good_evidence() -> None:
    code = "if (a) { do_it(a); } else { jak = to_b(a); po = a; by = do; } return a + na; " * 4
    assert detect(code, "en") in ("", "en")
    assert detect(TEXTS["de"] + " Sie ist mit dem Netz zu verbinden.", "en") == "de"
    assert detect(TEXTS["zh"], "en") == "zh"


def test_detect_reads_past_a_cover_page_in_another_language() -> None:
    cover = "Betriebsanleitung für die Pumpe und das Ventil. " * 5
    assert detect(cover + (TEXTS["it"] + "\n") * 200) == "it"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It runs. It stops.", ["It runs.", "It stops."]),
        ("See Fig. 3 for the P-200. Then go on.", ["See Fig. 3 for the P-200.", "Then go on."]),
        ("Use e.g. oil. Do not use water!", ["Use e.g. oil.", "Do not use water!"]),
        ("Torque is 2.5 Nm. Check it.", ["Torque is 2.5 Nm.", "Check it."]),
        ("打开阀门。启动水泵！", ["打开阀门。", "启动水泵！"]),
        ("One\n\nTwo", ["One", "Two"]),
        ("Steps:\n1. Open it.\n2. Close it.", ["Steps:", "1. Open it.", "2. Close it."]),
        ("Das Ventil, z. B. das große, öffnet.", ["Das Ventil, z. B. das große, öffnet."]),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [text[a:b] for a, b in sentences(text)] == expected


@settings(deadline=None)
@given(st.text(alphabet="ab.!?\n 1。P-", max_size=80))
def test_sentences_lose_nothing(text: str) -> None:
    spans = sentences(text)
    covered = {i for a, b in spans for i in range(a, b)}
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)
    assert all(a < b for a, b in spans)
    assert all(spans[n][1] <= spans[n + 1][0] for n in range(len(spans) - 1))
