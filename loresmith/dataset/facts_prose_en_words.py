"""The words and patterns of facts_prose_en: English verbs, figures, dates, units, openings.

Data only. A word that is missing here costs a question, never a wrong one.
"""

# ruff: noqa: E501, SIM905

from __future__ import annotations

import re

AUX = "is are was were must may can should shall will could has have had might cannot".split()
VERBS = frozenset(
    """
    accept add affect allow apply approve arrive assign attach award base begin belong block book borrow
    bring buy calculate call carry cause change charge check clean close collect combine come complete
    comprise confirm connect consist contain continue control convert coordinate correspond cost cover
    create cut decide deliver demand depend describe detect determine display divide drive earn employ
    enable end ensure enter exceed exclude expect expire explain extend fall feed fill find fit flow follow
    form fund get give go grow guarantee handle happen heat help hold include increase indicate inform
    inspect install keep last lead leave lie limit list live lock look lose maintain make manage manufacture
    mark mean measure meet mix monitor move need notify number occur offer open operate order own pay
    perform permit place plan prevent process produce prohibit protect provide publish pump purchase range
    reach receive recommend record reduce refer regulate reject release rely remain remove rent repair
    replace reply report represent request require reset resist rest result retain return rise rotate run
    save saw sell send serve set share ship show shut sign sit speak specify stand start stay stop store
    submit suffer suit supply support switch take teach tell terminate test trade train transfer travel
    treat turn use vary verify visit wait warn wash weigh withstand work write
    """.split()
)
NOUNISH = frozenset(
    """
    limits reports tests charges orders needs changes starts stops contacts ends works runs shows ranges
    offers measures displays costs covers uses lists records calls cuts falls fits forms heats leads locks
    looks marks numbers plans places processes results rests shares supplies supports switches trains
    transfers visits turns books checks controls demands feeds fills flows holds increases moves mixes
    repairs requests returns rents ships signs stores travels works cover cost use test report limit order
    change charge plan place process result rest share supply support switch train transfer visit turn book
    check control demand feed flow increase move request return rent sign store travel work record release
    number contact need range offer measure display
    """.split()
)
IRREGULAR = {
    "began": "begin", "bought": "buy", "brought": "bring", "came": "come", "fell": "fall", "found": "find",
    "gave": "give", "got": "get", "grew": "grow", "held": "hold", "kept": "keep", "led": "lead", "left": "leave",
    "lost": "lose", "made": "make", "met": "meet", "paid": "pay", "rose": "rise", "ran": "run", "sold": "sell",
    "sent": "send", "spoke": "speak", "stood": "stand", "took": "take", "told": "tell", "wrote": "write",
    "went": "go", "became": "become", "lay": "lie", "drove": "drive",
}  # fmt: skip
SMALL = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty"
)
FIGURE = rf"(?:[€$£]\s?|EUR |USD |CHF |NOK |GBP |SEK |DKK )?(?:\d[\d.,]*(?:\s\d{{3}})*|(?:{SMALL})(?=[\s-]))"
TO = r"(?:\s?[-–]\s?|\s(?:to|and|or)\s)"
MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
DAYS = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
DATE = (
    rf"(?:\d{{1,2}}(?:st|nd|rd|th)? (?:{MONTH})(?: \d{{4}})?|(?:{MONTH})(?: \d{{1,2}},?)?(?: \d{{4}})?"
    rf"|\d{{4}}-\d\d-\d\d|(?:19|20)\d\d(?![\d.,]*\s?[^\s\d.,;)]{{0,3}}\d)|{DAYS}|(?:fiscal|the year) \d{{4}}|week \d+"
    rf"|the end of (?:the )?\w+(?: \d{{4}})?)"
)
CLOCK = r"\d{1,2}(?:[:.]\d\d)?\s?(?:a\.?m\.?|p\.?m\.?|o'clock|h(?=\s|$|,))|\d{1,2}:\d\d"
DIMENSIONS = (
    ("time", r"(?:(?:working|business|calendar|consecutive|operating|full|more|further) )?"
             r"(?:milli)?(?:seconds?|minutes?|hours?|days?|weeks?|months?|quarters?|years?|s|min|h)\b"),
    ("money", r"(?:euros?|EUR|€|dollars?|USD|pounds?|GBP|CHF|NOK|SEK|DKK|francs?|kroner|cents?)(?!\w)"),
    ("percentage", r"(?:%|per ?cent\b|percentage points?)"),
    ("temperature", r"(?:°\s?[CF]\b|degrees\b)"),
    ("pressure", r"(?:bar|mbar|kPa|MPa|Pa|psi|mmHg|hPa)\b"),
    ("torque", r"(?:Nm|N·m)\b"),
    ("speed", r"(?:rpm|1/min|km/h|m/s|mm/s|kn|knots)\b"),
    ("distance", r"(?:millimet(?:re|er)s?|centimet(?:re|er)s?|kilomet(?:re|er)s?|met(?:re|er)s?|mm|cm|km|m|feet|nm)\b(?!/)"),
    ("weight", r"(?:kilograms?|kg|grams?|g|tonnes?|tons?|t|mg|µg)\b(?!/)"),
    ("amount", r"(?:lit(?:re|er)s?|ml|l|m³|mg/l|µg/l|ml/h|m³/h|l/min|l/h)(?!\w)"),
    ("voltage", r"(?:kV|V|volts?)\b"),
    ("current", r"(?:mA|A|amps?|amperes?)\b"),
    ("power", r"(?:kW|MW|W|kVA|kWh|MWh|GWh)\b"),
    ("frequency", r"(?:Hz|kHz|MHz)\b"),
)  # fmt: skip
NAMED = "|".join(f"(?P<{name}>{pattern})" for name, pattern in DIMENSIONS)
ABOUT = (
    r"(?:(?:about|approximately|around|roughly|at least|at most|up to|no more than|not more than|a maximum of|"
    r"a minimum of|more than|less than|only|over|under|nearly|almost|exactly)\s)?"
)
PREPOSITION = (
    r"(?:(?P<prep>for(?: up to)?|within|after|before|until|till|by|every|from|since|up to|at|to|above|below|over|under|"
    r"between|with|in|on|per|of|during|beyond|exceeding|than|as of|with effect from|no later than|not later than)\s)?"
)
CHUNK = re.compile(
    rf"(?<![\w.,€$£-]){PREPOSITION}(?P<about>{ABOUT})"
    rf"(?:(?P<date>(?:{DATE}|{CLOCK})(?:{TO}(?:{DATE}|{CLOCK}))?)"
    rf"|(?P<figure>{FIGURE}(?:{TO}{FIGURE})?)(?:\s?(?:million|thousand|billion)\b)?[\s-]?(?:{NAMED}|(?P<count>[a-z][a-z-]{{3,}}(?: [a-z-]{{4,}})??s)\b)?)"
    rf"(?![\w])"
)
LEAD = re.compile(
    r"^(?P<lead>(?:If|When|In|On|At|For|After|Before|Within|During|From|Since|Until|Under|With|Without|Once|As soon as"
    r"|Away from|Outside|Above|Below|Between|As long as|While|Unless|Where)\s[^,;:]{3,110}),\s(?P<main>.+)$"
)
BAD_SUBJECT = re.compile(
    r"^(?:it|they|this|these|those|that|he|she|there|here|we|you|i|its|their|his|her|such|both|which|what|who|how|why"
    r"|when|where|and|but|or|so|then|also|if|in|on|at|for|after|before|to|as|by|with|note|please|see|yes|no|not|never"
    r"|our|your|my|another|others?|otherwise|however|therefore|thus|hence|because|although|while|until|since|once"
    r"|unless|during|from|under|above|below|between|within|without|the (?:former|latter|following|same|above|other)|let|do|does|only)\b",
    re.IGNORECASE,
)
PERSON = re.compile(
    r"^(?:(?:Mr|Mrs|Ms|Dr|Prof)\.? )?(?:[A-ZÀ-Ý][\w'’-]+)(?: (?:van |von |de |di |la )?[A-ZÀ-Ý][\w'’-]+){1,2}$"
)
IMPERATIVE = re.compile(r"^(?:Always |Never |Do not |Please )?(?P<verb>[A-Z]?[a-z]+)\b")
OBJECT_VERBS = frozenset(
    [
        "cover",
        "contain",
        "include",
        "require",
        "mean",
        "comprise",
        "show",
        "display",
        "provide",
        "offer",
        "exclude",
        "cause",
        "indicate",
        "ensure",
        "prevent",
        "measure",
        "control",
        "protect",
        "record",
        "need",
        "represent",
        "produce",
        "recommend",
        "demand",
        "supply",
    ]
)
BREAK = re.compile(
    r"[,;:–—(]|\s(?:and|or|but|which|who|that|so that|because|unless|provided|while|where|as|in order)\s"
)
TIMED = frozenset(
    """
    last take run stay remain continue keep wait be extend live work
    """.split()
)


ORDERS = frozenset(
    """
    tighten loosen warm cool drain rinse press pull push undo lift lower wet note grease lubricate refill
    adjust select insert unplug plug unscrew screw mount dismantle disassemble assemble secure wear avoid
    isolate disconnect shake dissolve inject rotate attach align vent bleed prime flush wipe dry dispose put
    let compare enter confirm tap click hold count weigh ask
    """.split()
)

ALL = frozenset({"amount", *(name for name, _ in DIMENSIONS)})
NO_DEFINITION = re.compile(
    r"(?:an?|the) (?:first|most|best|main|same|result|case|part|way|reason|few|lot|number)\b"
)
VAGUE = re.compile(r"\b(?:it|they|this|these|necessary|required|possible|needed)\b", re.IGNORECASE)
