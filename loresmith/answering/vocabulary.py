"""The word lists and patterns of answering, over the languages that were thought of.

Data only. A word that is missing here costs an answer (it is dropped or refused), never a promise.
"""

# ruff: noqa: E501, SIM905

from __future__ import annotations

import re

# Function and question words: they stand everywhere and therefore say nothing about where an
# answer stands. Short on purpose; a rarer word left in does no harm.
STOP = frozenset(
    """
    a an and any are as at be been but by can could did do does doing done for from give had has have having
    how i if in into is it its may me might much must my no not of on or our shall should so some
    such tell than that the their them then there these they this those to too was we were what when where
    which who whom whose why will with would you your about according please name say says state stated many after before during per until between
    most least liegt liegen befindet befinden steht stehen gibt beträgt gilt located
    latest recent report reported reports filing filings document documents disclose disclosed mention mentioned
    10-q 10-qs 10-k
    der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren wird werden
    wurde wurden hat haben hatte kann können muss müssen soll sollen darf dürfen von vom zu zum zur im in am
    an auf aus bei mit nach für über unter um als wie was wer wo wann warum welche welcher welches welchen
    welchem viel viele vielen nicht kein keine es er sie wir ihr man sich auch nur noch bis
    le la les un une des du de et ou est sont était dans sur pour par avec sans que qui quoi quel quelle
    quels quelles comment combien quand où pourquoi il elle on ce cette ces se sa son ses au aux ne pas plus
    el los las una uno unos y o es son era en con sin por para del al que qué cuál cuáles cómo cuánto cuánta
    cuántos cuántas cuándo dónde quién se su sus lo no
    il lo gli i e è sono nel nella nei delle della dello dei degli di da con su per che chi cosa quale quali
    come quanto quanta quanti quante quando dove perché si non al alla ai
    het een en of zijn van voor met op te welke hoeveel hoe wat waar wanneer wie niet
    os as um uma e ou do da dos das no na nos nas com por para quem qual quais como quanto onde não
    care ce cum unde când cât câte sau si și este sunt din la cu pe pentru un o nu al ale
    """.split()
)


UNITS = {
    "°c": "°c °celsius degc celsius", "°f": "°f fahrenheit", "k": "kelvin", "°": "° degrees grad degree",
    "bar": "bar bars", "mbar": "mbar", "psi": "psi", "pa": "pa", "kpa": "kpa", "mpa": "mpa", "hpa": "hpa",
    "nm": "nm n·m n.m n*m newton-metres newtonmeter newton-meters", "n": "n newton", "kn": "kn",
    "w": "w watt watts", "kw": "kw kilowatt kilowatts", "mw": "megawatt megawatts", "hp": "hp ps",
    "v": "v volt volts", "mv": "mv", "kv": "kv", "a": "ampere amperes amp amps", "ma": "ma",
    "hz": "hz hertz", "khz": "khz", "mhz": "mhz", "ghz": "ghz", "va": "va", "kva": "kva", "kwh": "kwh",
    "rpm": "rpm min-1 1/min u/min min⁻¹ r/min rev/min tr/min giri/min",
    "l": "l liter litre litres liters litri litros", "ml": "ml", "l/min": "l/min lpm", "l/h": "l/h",
    "m3/h": "m3/h m³/h cbm/h", "m3": "m3 m³", "gpm": "gpm", "l/s": "l/s",
    "mm": "mm millimetre millimetres millimeter millimeters", "cm": "cm", "m": "m metre metres meter meters metri metros",
    "km": "km", "µm": "µm μm um micron microns", "inch": "inch inches zoll", "ft": "ft feet foot", "mm2": "mm2 mm²",
    "kg": "kg kilogram kilograms", "g": "g gram grams gramm", "mg": "mg", "t": "t tonnes tonne", "lb": "lb lbs",
    "h": "h hr hrs hour hours stunde stunden betriebsstunden heure heures hora horas ora ore uur std 小时",
    "min": "min mins minute minutes minuten minuto minutos minuti 分钟", "s": "s sec secs second seconds sekunde sekunden segundos secondi secondes 秒",
    "ms": "ms", "day": "day days tag tage tagen jour jours día días dias giorno giorni dagen zile 天",
    "week": "week weeks woche wochen semaine semaines semana semanas settimana settimane weken 周",
    "month": "month months monat monate monaten mois mes meses mese mesi maanden luni 个月",
    "year": "year years jahr jahre jahren año años anno anni jaar ani 年",
    "%": "% percent prozent pourcent procent", "db": "db db(a) dba", "cst": "cst mm2/s mm²/s",
    "ppm": "ppm", "kb": "kb", "mb": "mb", "gb": "gb", "tb": "tb", "bit": "bit bits",
    "€": "€ eur euro euros", "$": "$ usd us$ dollar dollars", "£": "£ gbp", "¥": "¥ jpy cny rmb", "chf": "chf fr.",
    **{code: code for code in "nok sek dkk isk pln czk huf ron bgn inr aud cad nzd hkd sgd krw brl mxn try zar ils aed".split()},
    "j": "j joule joules", "kj": "kj", "mmhg": "mmhg",
}  # fmt: skip
CURRENCIES = frozenset(
    "€ $ £ ¥ chf nok sek dkk isk pln czk huf ron bgn inr aud cad nzd hkd sgd krw brl mxn try zar ils aed".split()
)
SCALES = {
    "thousand": "thousand thousands tausend tsd mille", "million": "million millions mio millionen mln millones milioni",
    "billion": "billion billions mrd milliarde milliarden miliardi bn", "trillion": "trillion trillions",
}  # fmt: skip
NUMBER_WORDS = {
    word: value
    for value, row in enumerate(
        """zero null cero
        one eins ein eine einem einen uno una un une
        two zwei dos due deux twice zweimal
        three drei tres tre trois
        four vier cuatro quattro quatre
        five fünf cinco cinque cinq
        six sechs seis sei
        seven sieben siete sette sept
        eight acht ocho otto huit
        nine neun nueve nove neuf
        ten zehn diez dieci dix
        eleven elf once undici onze
        twelve zwölf doce dodici douze""".splitlines()
    )
    for word in row.split()
}
MONTHS = {
    name: month
    for month, names in enumerate(
        """january jan januar janvier enero gennaio janeiro
        february feb februar février febrero febbraio
        march mar märz mars marzo
        april apr avril abril aprile
        may mai mayo maggio
        june jun juni juin junio giugno
        july jul juli juillet julio luglio
        august aug août agosto
        september sep sept septembre septiembre settembre
        october oct oktober okt octobre octubre ottobre
        november nov novembre noviembre
        december dec dezember dez décembre diciembre dicembre""".splitlines(),
        start=1,
    )
    for name in names.split()
}
NEGATION = frozenset(
    """not no never without cannot none neither nor isn't don't doesn't can't mustn't shouldn't won't
    nicht kein keine keinen keiner nie niemals ohne ne pas jamais aucun sans nunca ningún ninguna sin non mai senza
    nessun nessuna niet geen nu niciodată""".split()
)
FILLER = re.compile(
    r"^(?:\W*(?:answer|antwort|réponse|respuesta|risposta)\s*[:：]\s*)|^(?:based on|according to|as stated in|per|laut|gemäß)"
    r" (?:the |den |dem )?(?:provided |given |passages?|documents?|context|information|text|passagen?|dokumenten?)[^,]*,\s*",
    re.IGNORECASE,
)
MARKER = re.compile(
    r"\s*[\[(](?:passages?\s*|source\s*|quelle\s*)?\d{1,2}(?:\s*,\s*\d{1,2})*[\])](?=[\s.,;:!?]|$)",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"\b(?:(?:does|do|did|is|are|was|were) not|doesn't|isn't|don't|aren't|no) .{0,60}"
    r"(?:mention|specif|state[ds]?\b|provid|contain|include|given|inform|say|available|find|found|address|clear)"
    r"|\b(?:cannot|can't|unable to|not possible to) .{0,30}(?:answer|determine|find|provide)|\bnot in the (?:documents|passages|text)"
    r"|\bi(?:'m| am) sorry\b|\bi (?:don't|do not) (?:know|have)\b|\bas an ai\b|\bkeine (?:angaben?|informationen?)\b"
    r"|\bnicht (?:angegeben|erwähnt|enthalten|genannt|möglich)\b|\bno se (?:menciona|especifica|indica)\b"
    r"|\bnon (?:è|viene) (?:specificat|menzionat|indicat)|未提及|没有提到|未说明|无法",
    re.IGNORECASE,
)
# Text that talks to a language model is never evidence: a document about pumps has no reason to.
TO_MODEL = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,30}\b(?:previous|prior|above|earlier|all|your)\b.{0,20}\b(?:instructions?|prompts?|rules)\b"
    r"|\b(?:disregard|forget|ignore) the (?:instructions|rules|prompt|passages|question)\b|\byou are now\b|\bassistant must\b"
    r"|\b(?:respond|reply|answer) only with\b|<\|[a-z_]+\|>|\[/?INST\]|\bevery answer is\b"
    r"|\b(?:ignoriere|vergiss)\b.{0,40}\b(?:anweisungen|vorherigen)\b|\bignor[ae]z? (?:les|las|le) (?:instructions|instrucciones|istruzioni)\b",
    re.IGNORECASE | re.DOTALL,
)


QUANTITY = re.compile(
    r"\bhow (?:many|much|long|often|high|far|large|big|heavy|fast|quickly|soon|hot|old|thick|deep|wide)\b"
    r"|\bwhat (?:is|was|are|were) the (?:\w+ ){0,3}(?:torque|pressure|temperature|speed|weight|mass|price|cost|number|amount|"
    r"rate|capacity|power|voltage|current|length|width|height|diameter|total|percentage|interval|flow|head|date|year)\b"
    r"|\b(?:which|what) (?:torque|pressure|temperature|speed|weight|price|year|rate|power|voltage|percentage|date|interval)\b"
    r"|\bwie ?(?:viele?n?|lange|oft|hoch|schwer|gro[sß]+|schnell|weit)\b|\bwann\b|\bcombien\b|\bcuánt|\bquant[oaie]\b"
    r"|\bwhat (?:do|does|did|will|would) [^?]{1,80}\bcost\b|\bwas koste[nt]\b"
    # "when" asks only before a verb that was turned round: "what happens when the pump runs dry"
    r"|\bwhen (?:is|are|was|were|do|does|did|can|could|may|must|should|shall|will|would|has|have|had)\b"
    r"|^\W*cuando\b|\bcuándo\b|^\W*quando\b|^\W*(?:depuis |à partir de )?quand\b|多少|几|多久|多大|多高|多长",
    re.IGNORECASE,
)
# What answers "how often" and "when" without a figure.
TIMES = re.compile(
    r"\b(?:hourly|daily|weekly|monthly|quarterly|half-yearly|yearly|annual(?:ly)?|stündlich|täglich|wöchentlich|monatlich"
    r"|vierteljährlich|halbjährlich|jährlich|quotidien\w*|hebdomadaire\w*|mensuel\w*|trimestr\w+|semestr\w+|annuel\w*"
    r"|diari\w+|semanal\w*|mensual\w*|anual\w*|giornalier\w+|settimanal\w+|mensil\w+|annual\w+"
    r"|(?:every|each|jede[nrs]?|chaque|cada|ogni) \w+|(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
    r"|(?:mon|diens|donners|frei|sams|sonn)tags?|mittwochs?|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
    r"|lunes|martes|miércoles|jueves|viernes|sábado|domingo|lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica"
    r"|immediately|at once|sofort|unverzüglich|immédiatement|inmediatamente|subito)\b|每半?[天日周月年]",
    re.IGNORECASE,
)
POLAR = re.compile(
    r"^\W*(?:is|are|was|were|do|does|did|can|could|may|must|should|has|have|had|will|would|"
    r"ist|sind|war|darf|kann|muss|soll|hat|haben|wird|est-ce|peut-on|è|sono|può|es|son|puede|hay)\b",
    re.IGNORECASE,
)


GERMAN = frozenset({
        "der", "die", "das", "den", "dem", "des", "ein", "eine", "ist", "sind", "wie", "welche", "welcher", "welches",
        "und", "für", "bei", "wird", "werden", "nicht", "mit", "von", "zum", "zur", "im", "wann", "wer", "darf", "muss",
        "beträgt", "auf", "einer", "einen", "welchem", "welchen", "wo", "was", "warum", "nach",
    })  # fmt: skip

LATEST = re.compile(
    r"\b(?:latest|most recent|newest|current (?:quarter|year|report|filing))\b|\bneueste[nrs]?\b|\baktuell(?:ste)?[nrs]?\b|\bderni[eè]re?s?\b"
    r"|\bmás reciente\b|\bpiù recente\b|\bultim[oa]\b|最新",
    re.IGNORECASE,
)
MANY = re.compile(
    r"\bover (?:the )?(?:time|(?:reported |last |past )?(?:quarters|years|periods|months))\b|\bacross\b|\btrends?\b"
    r"|\beach (?:of )?(?:the |reported )?(?:quarter|period|year|document|report|model|pump|site)"
    r"|\b(?:these|those|all|both|reported) (?:\w+ )?(?:10-?[qk]s|quarters|periods|years|reports|documents|filings|models)\b"
    r"|\bprevious (?:quarters|years|reports)\b|\breporting period\b|\bfluctuat|\bdifference between\b"
    r"|\bim vergleich\b|\bvergleich|\büber die (?:jahre|quartale)\b|\bbeide[nr]?\b|\bentre\b.+\by\b|\bconfront",
    re.IGNORECASE,
)

WHO = re.compile(
    r"\b(?:who|whom|whose)\b|\bwer\b|\bwem\b|\bwessen\b|\bqui\b|\bquién(?:es)?\b|\bchi\b|\bwie is\b|\bquem\b|谁|哪位",
    re.IGNORECASE,
)
CAPTION = re.compile(
    r"\s*(?:Figure|Fig\.|Table|Abbildung|Abb\.|Tabelle|Bild|Figura|Tabla|Tabella|Tableau|图|表)\s*\d",
    re.IGNORECASE,
)
MONEY = re.compile(
    r"\b(?:costs?|prices?|kostet|kosten|preis|coûte|prix|cuesta|precio|costa|prezzo|kost|prijs|euros?|dollars?)\b|多少钱|价格",
    re.IGNORECASE,
)
HOW_MANY = re.compile(
    r"\b(?:how many|wie ?viele?n?|combien de|cuánt[oa]s|quant[ie]|hoeveel|câte)\s+(\w+)(?:\s(\w+))?",
    re.IGNORECASE,
)

# The question prefers a figure, but words may answer it too.
FIGURES = re.compile(
    r"\bhow (?:has|have|did|do|does)\b.{0,80}\b(?:chang|fluctuat|develop|compar)|\btrends?\b|\b(?:revenues?|sales|margin|income|cash flow|"
    r"expens|expenditure|inventor|earnings|assets|liabilit|debt|dividend|tax rate|spen[dt]|amount|total|levels?|repurchase|buyback)",
    re.IGNORECASE,
)

# Words that mean the same, within a language and across languages: one line, one meaning. Only what
# is asked about all the time in technical and business documents.
GLOSSARY = """torque anzugsmoment drehmoment anziehdrehmoment coppia serraggio couple apriete 扭矩 力矩
oil öl olio aceite huile schmieröl 润滑油
pressure druck betriebsdruck pressione presión pression druk presiune 压力
flow förderstrom durchfluss portata caudal débit volumenstrom 流量
head förderhöhe prevalenza 扬程
temperature temperatur temperatura température 温度
speed drehzahl velocità velocidad vitesse geschwindigkeit turație 转速
mass weight weigh weighs heavy gewicht masse wiegt schwer peso pesa poids pèse gewicht 重量
seal gleitringdichtung dichtung guarnizione tenuta sello joint junta 密封
pump pumpe pumpen pompa bomba pompe pomp 水泵
impeller laufrad girante impulsor rodete roue 叶轮
diameter durchmesser diametro diámetro diamètre 直径
bearing lager wälzlager cuscinetto rodamiento roulement 轴承
shaft welle albero eje arbre 轴
casing gehäuse housing carcassa corpo carcasa 泵壳
cover deckel coperchio tapa couvercle
bolt bolts screw schraube schrauben vite viti tornillo tornillos vis boulon perno 螺栓
flange flansch flangia brida bride 法兰
valve ventil valvola válvula vanne 阀门
motor engine motore moteur 电机
filter strainer filtro filtre 过滤器
power leistung potenza potencia puissance 功率
voltage spannung tensione tensión tension tensiune 电压
current strom stromaufnahme corrente corriente courant 电流
noise schalldruckpegel sound lärm rumore ruido bruit 噪声
warranty guarantee garantie garanzia garantía gewährleistung 保修
price cost costs preis kostet prezzo costa precio cuesta prix coûte 价格
interval intervall intervallo intervalo intervalle
change replace replacement replaced wechsel wechseln ersetzen ersetzt sostituire cambiare cambiar remplacer austauschen tauschen 更换
maintenance wartung manutenzione mantenimiento entretien onderhoud 维护
hours stunden betriebsstunden ore horas heures 小时
delivery lieferzeit lieferung consegna entrega livraison 交货
spare ersatzteil ricambio ricambi repuesto
customer kunde kunden cliente client klant
error fault fehler störung errore guasto fallo avería erreur 故障
water wasser acqua agua eau 水
minimum mindest mindestens minimo minima mínimo
maximum höchst höchstens maximal maximale massimo massima máximo máxima
year jahr jahre anno año an
revenue revenues sales turnover umsatz fatturato
expense expenses expenditure spending spent spend ausgaben aufwand
repurchase repurchased buyback buybacks
r&d research
supplier vendor lieferant fornitore proveedor
employee employees staff mitarbeiter dipendenti empleados
"""

# English sentences begin with these although no passage needs to say them.
OPENERS = frozenset(
    """every each all approximately about maximum minimum tighten use change check replace remove open close clean fit
    apply drain fill set turn keep avoid make wait press pull push switch stop start run install mount store disconnect
    connect call contact ask send order according after before during until since from between under over within
    additionally also however therefore because although while both only just usually always never first second third
    then finally next""".split()
)

WITH = re.compile(r"\b(?:with|mit|con|avec|met|com|cu)\s+(?:the\s|a\s|an\s)?(\w{3,})", re.IGNORECASE)
WITHOUT = re.compile(
    r"\b(?:without|ohne|sin|senza|sans|zonder|sem|fără)\s+(?:the\s|a\s|an\s)?(\w{3,})", re.IGNORECASE
)
# What is asked for, where the question word stands right before it: "Which torque", "Welches Öl",
# "What is the telephone number".
HEAD = re.compile(
    r"^\W*(?:with |at |to |mit |bei |auf )?(?:(?:which|what|welche[rsmn]?|quale|quali|quel(?:le)?s?|qué|welke)\s+"
    r"(?!(?:is|are|was|were|do|does|did|can|must|may|should|has|have|happens|ist|sind|es|sont|sono|of|kind|type)\b)"
    r"|what (?:is|was|are|were) the )(\w{3,})(?:\s(\w{3,}))?",
    re.IGNORECASE,
)
# What is asked for is a property of something, which a document calls by its name.
ATTRIBUTE = re.compile(r"^\W*what (?:is|was) the\b", re.IGNORECASE)
# What is true of the one is not said of the other; pairs that a question keeps apart.
OPPOSITES = tuple(
    (one, other)
    for one, other in (
        line.split()
        for line in """inside outside
indoor outdoor
indoors outdoors
internal external
inner outer
upper lower
minimum maximum
gross net
basic diluted
short-term long-term
current non-current
fixed variable
domestic international
arrival departure
import export
weekdays weekends
summer winter
inlet outlet
mindestens höchstens
brutto netto
innen außen
intérieur extérieur
interior exterior
mínimo máximo
minimo massimo""".splitlines()
    )
)
# The words of asking themselves: they need not stand in an answer.
ASKING = re.compile(
    r"\b(?:how (?:long|many|often|high|far|large|big|old|quickly|soon|fast)|wie (?:hoch|lange?|viele?|oft|gro(?:ß|ss)|weit|schnell|sp[äa]t)"
    r"|(?:à )?quelle fréquence|combien de temps)\b",
    re.IGNORECASE,
)
# French and Italian articles before a vowel, and French pronouns behind a verb, are words of their own.
ELISION = re.compile(
    r"^(?:[cdjlmnst]|qu|lorsqu|jusqu|un|(?:d|n|s|a|qu)[eau]ll|quest)'(?=\w{2})|-(?:t-)?(?:ils?|elles?|on|vous|nous|ce)$"
)
# The days of the week, seven and seven, Monday first; the short ones only with a capital letter.
DAYS = tuple(
    """monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays sundays
    mon tue wed thu fri sat sun montag dienstag mittwoch donnerstag freitag samstag sonntag
    montags dienstags mittwochs donnerstags freitags samstags sonntags mo di mi do fr sa so
    lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes sábado domingo
    lunedì martedì mercoledì giovedì venerdì sabato domenica""".split()
)
_SHORT = " ".join(DAYS[14:21] + DAYS[35:42]).title().split()
_LONG = [day for day in DAYS if len(day) > 3]
DAY = re.compile(rf"(?<!\w)((?i:{'|'.join(_LONG)})|{'|'.join(_SHORT)})(?!\w)")
RANGE = re.compile(r"\.?\s*(?:-|–|to|until|bis|à|au|a|al|through)\s*", re.IGNORECASE)
