"""What can be told about a text's language without a model: which one, its sentences, its stop words.

`detect` decides by script where the script decides, else by the share of stop words; it answers ""
rather than guess, since a wrong stemmer is worse than none. `sentences` gives exact spans.
"""

from __future__ import annotations

import re
from functools import lru_cache

_LISTS = {
    "en": """a about after all also an and any are as at be been but by can could did do does for from had
        has have how if in into is it its may more must no not of on only or other our out over shall should
        so such than that the their then there these they this to under up was we were what when where which
        while who why will with would you your""",
    "de": """ab aber alle als also am an auch auf aus bei beim bis da damit dann das dass dem den der des die
        dies diese dieser durch ein eine einem einen einer eines es für gegen hat ich im in ist ja kann kein
        keine man mit muss müssen nach nicht noch nur oder ohne sein sich sie sind so sowie über um und unter
        vom von vor war was welche welcher welches wenn werden wie wird wo wurde zu zum zur zwischen""",
    "fr": """à afin ainsi après au aucun aussi aux avec avant ce cela ces cet cette chaque comme dans de des
        donc du elle en entre est et été être il ils je la le les leur lors mais ne nous on ont ou où par pas
        pendant peut plus pour quand que quel quelle quels qui sa sans se selon ses si son sont sous sur très
        un une vers vous""",
    "es": """a al algo ante antes como con cuál cuáles cuando cuándo cuántos de debe del desde donde dónde
        durante el ella en entre era es esta está este esto fue ha han hasta la las le lo los más muy no o
        para pero por porque puede que qué quién se según ser si sin sobre son su sus también tras un una
        uno unos y ya""",
    "it": """a ad agli ai al alla alle anche che chi ci come con cosa cui da dal dalla dalle dei del della
        delle deve di dopo dove e è ed essere gli ha ho i il in io la le lo ma nei nel nella nelle non o ogni
        per perché più può prima quale quali quando quanto quella questa questo se si sono su sui sul sulla
        tra un una uno""",
    "nl": """aan als bij dan dat de deze die dit door dus een en er geen haar hebben heeft het hij hoe ik in
        is je kan maar met moet moeten na naar niet nog of om ook op over te tot tussen uit van veel voor
        waar wanneer was wat we welke werd wij wie wordt worden zal ze zich zijn zonder""",
    "pt": """a ao aos após as até com como da das de deve do dos e é ela ele em entre era essa esse esta está
        este foi há isso já lhe mais mas na não nas nem no nos o onde os ou para pela pelas pelo pelos por
        porque qual quais quando quantos que quem se sem ser seu sob sobre sua também tem um uma você""",
    "ro": """a acest această aceste acestei ai al ale am ar asupra au că când care câte câți ce cea cel cele
        cine către cu cum de decât despre după din este era fi fiind fost în între iar la le lor lui mai ne
        nu o pe pentru prin printre sa să sale sau se și sunt și-a spre un unde unei unor unui""",
    "sv": """att av bara blev de den det där du efter eller en ett för från ha han har hur i inte ingen jag
        kan med men mot måste när nu och om oss på sig ska skall som så till under upp ut var vad vi vid
        vilka vilken är över""",
    "da": """af alle at blev blive da de den der deres det dette du efter eller en er et for fra ham han har
        hun hvad hvis hvor i ikke ind jeg kan man med meget men mod når og også om op på skal som så til ud
        under var ved vi være""",
    "no": """alle at av ble blir bli da de den der dette du eller en er et etter for fra ha han har hun hva
        hvis hvor hvordan ikke inn jeg kan man med men mot må når og også om opp på seg skal som så til
        under ut var ved vi være""",
    "fi": """ei ennen että hän ja jos joka jotka kaikki kanssa koska kuin kun me mikä mitä mutta myös ne niin
        nyt oli olla on ovat se sekä sen siitä sillä tai tämä vain voi voidaan""",
    "pl": """a aby ale bez był być co czy dla do gdy gdzie i ich jak jako jest jego już która które który
        lub ma może na nad nie niż o od oraz po pod przez przy są się ta tak tego ten to tych tylko w we
        wszystkie z za ze że""",
    "cs": """a aby ale ani až bez bude být by byl co jak jako je jeho jejich již jen jsou k kde kdy která
        které který ma má mezi na nebo není o od po pod podle pro proto před při s se si tak také to v ve
        více však z za ze že""",
    "hu": """a az egy és hogy is nem van ez meg csak de volt ha már vagy mint minden kell majd után között
        során által lehet amely ezt azt""",
    "tr": """bir bu da daha de değil gibi her için ile ise kadar ki mi nasıl ne olan olarak ve veya ya çok
        sonra""",
    "ca": """a al als amb aquest aquesta com de del dels des el els en és entre és la les li més no o on per
        perquè però qual quan què que s'ha són sense ser seva seu si sobre també un una va""",
    "ru": """а без бы был быть в во все всех где да для до его если есть еще же за и из или им их к как
        когда который ли на над не но о об он от по под при с со так также то только у чем что это""",
    "uk": """а або але без був бути в від він для до є з за і із її його й коли на не ні по при про
        та так також те то у усі це що щоб як який які""",
    "el": """από αυτό για δεν είναι ένα η ή και κατά με μια να ο οι όταν που πρέπει σε στη στην στο τα την
        της τις το του τους των ως""",
}
STOP_WORDS: dict[str, frozenset[str]] = {code: frozenset(words.split()) for code, words in _LISTS.items()}
"""Function words by ISO 639-1 code."""

_CYRILLIC = ("ru", "uk")
_LATIN = tuple(code for code in STOP_WORDS if code not in (*_CYRILLIC, "el"))
_SAMPLE = 3000
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SCRIPTS = (
    ("kana", re.compile(r"[\u3040-\u30ff\u31f0-\u31ff]")),
    ("han", re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("cyrillic", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")),
    ("arabic", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)


def detect(text: str, expected: str = "") -> str:
    """The ISO 639-1 code of the text's main language, "" where the evidence is thin.

    Args:
        expected: what the surroundings are in; it takes much to say that a part is in another.
    """
    if len(text) > _SAMPLE:
        # The middle of a document says more than its cover page.
        middle = len(text) // 2
        text = text[: _SAMPLE // 3] + "\n" + text[middle : middle + 2 * _SAMPLE // 3]
    if not text.isascii():
        by_script = _by_script(text)
        if by_script:
            return by_script
    return _by_words(text, _LATIN, expected)


def _by_script(text: str) -> str:
    letters = sum(map(str.isalpha, text))
    counts = {name: len(pattern.findall(text)) for name, pattern in _SCRIPTS}
    if counts["kana"] + counts["han"] > 0.2 * letters:
        # Japanese is hardly ever written without kana, Chinese never with more than a quotation.
        return "ja" if counts["kana"] > 0.1 * (counts["kana"] + counts["han"]) else "zh"
    name = max(counts, key=lambda key: counts[key])
    if counts[name] < 0.4 * letters or counts[name] == 0:
        return ""
    if name == "cyrillic":
        return _by_words(text, _CYRILLIC) or "ru"
    if name == "arabic":
        return "fa" if re.search("[پچژگ]", text) else "ar"
    return name


def _by_words(text: str, codes: tuple[str, ...], expected: str = "") -> str:
    # Single letters are variables and units before they are words.
    words = [word for word in _WORD.findall(text.lower()) if len(word) > 1 or not word.isascii()]
    if not words:
        return ""
    found = {code: sum(word in STOP_WORDS[code] for word in words) for code in codes}
    first, second = sorted(found, key=lambda code: -found[code])[:2]
    different = {word for word in words if word in STOP_WORDS[first]}
    if len(different) < 2 or found[first] == found[second] or found[first] < 0.08 * len(words):
        return ""
    if expected in found and first != expected:
        # Program code and part lists hold "a", "do", "to" in no language at all.
        sure = len(different) >= 5 and found[first] >= max(2 * found[expected], 0.2 * len(words))
        return first if sure else ""
    return first


_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Za-z]|approx|art|bzw|ca|cf|co|corp|dr|eds?|etc|evtl|figs?|ggf|inc|inkl|jr|ltd|max|min|mr|mrs"
    r"|ms|nos?|nr|pos|pp?|prof|resp|sec|sect|sog|st|tab|usw|vgl|vol|vs|z\.\s?b|e\.\s?g|i\.\s?e|d\.\s?h|al))\.$",
    re.IGNORECASE,
)
_BREAK = re.compile(
    r"""[.!?…]+["'”’»)\]]*(?=\s)|[。！？｡]+["'”’」』）]*|\n\s*\n|\n(?=\s*(?:[-•*–▪]|\d+[.)])\s)"""
)


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence, outer white space left out; together they hold all else."""
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _BREAK.finditer(text):
        end = match.end()
        if text[match.start()] == ".":
            if _ABBREVIATION.search(text, max(start, match.start() - 12), match.start() + 1):
                continue
            follows = text[end : end + 40].lstrip()
            if follows and follows[0].islower():
                continue
            # "3." at the start of a line counts a list; it is not a sentence of its own.
            if text[start : match.start()].strip().isdigit():
                continue
        _append(text, start, end, spans)
        start = end
    _append(text, start, len(text), spans)
    return spans


def _append(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        first = start + len(piece) - len(piece.lstrip())
        spans.append((first, first + len(stripped)))


@lru_cache(maxsize=64)
def stop_words(languages: tuple[str, ...]) -> frozenset[str]:
    """The stop words of several languages together."""
    return frozenset().union(*(STOP_WORDS.get(code, frozenset()) for code in languages))
