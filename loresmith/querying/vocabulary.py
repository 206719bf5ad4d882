"""The words by which people ask tables, in English, German, Spanish, Italian and French.

`OPERATORS` maps phrases to what they ask for; `GLUE` are words that ask for nothing; everything else in
a question is content, and has to be found in the tables. Phrases are folded (casefolded, no accents, no
punctuation), the longest wins.

Promise: a word that changes what is asked (not, only, or, except) is never glue.
"""

from __future__ import annotations

from functools import lru_cache

LANGUAGES = ("en", "de", "es", "it", "fr")

# Kinds: count sum avg max min (":money", ":date", ":length", ":mass", ":count" say of what) · group
# · distinct · top · share ratio · gt ge lt le eq ne between and or not · ge_after le_after ("or more")
# · before after since until · order desc asc alphabetical · which list much (":length", ":mass") · takes
# · spent · compare · having ("with", "that have") · uses · without · relative
_EN = {
    "count": """how many|number of|the number of|total number of|count of|count|total count of|amount of
        times|how often|how many times|how many different|counts of|numbers of""",
    "sum": """total|sum of|sum|total sum of|in total|altogether|overall|combined|summed|totals of|add up
        |totalled""",
    "avg": "average|mean|on average|avg|averages|averaged",
    "max": """highest|maximum|max|largest|biggest|greatest|most|top|best|higher than any|maximal|strongest
        |max of""",
    "max:money": "most expensive|costliest|dearest|priciest|most costly",
    "max:count": "most frequent|most common|commonest|most frequently|most often|used most|most used",
    "min:count": "least frequent|least common|rarest",
    "max:mass": "heaviest",
    "min:mass": "lightest",
    "min:money": "cheapest|least expensive|least costly",
    "max:date": "latest|newest|most recent|most recently|last|most modern",
    "min:date": "earliest|first",
    "max:age": "youngest",
    "min:age": "oldest",
    "max:length": "longest",
    "min:length": "shortest",
    "min": "lowest|minimum|min|smallest|least|fewest|worst|bottom|minimal|weakest|min of",
    "group": """per|by|for each|for every|in each|in every|at each|at every|of each|of every|each|every
        |by each|with each|to each|from each|on each|grouped by|group by|broken down by|across|split by
        |across different|for each of the|across all|across the different|within each|for all""",
    "distinct": "different|distinct|unique",
    "percent": "percentage of|percent of|percentage|percent|what percent of",
    "share": "share of|proportion of|fraction of|share|proportion|fraction",
    "ratio": "ratio of|ratio|the ratio of",
    "outof": "out of|out of all|relative to|compared to|compared with|divided by",
    "gt": """more than|greater than|higher than|larger than|over|above|exceeding|exceeds|exceed|bigger than
        |longer
        than|exceeded|in excess of|heavier than|better than""",
    "ge": """at least|no less than|not less than|minimum of|a minimum of|greater than or equal to|from at
        least""",
    "lt": "less than|lower than|smaller than|below|under|fewer than|shorter than|cheaper than|beneath",
    "le": "at most|up to|no more than|not more than|maximum of|a maximum of|less than or equal to",
    "eq": "equal to|equals|exactly|equal|of exactly",
    "ge_after": "or more|or higher|or above|or greater|or larger|or longer|and above|and more|or better",
    "le_after": "or less|or lower|or below|or fewer|or smaller|or shorter|and below",
    "between": "between|ranging from",
    "and": "and|as well as|along with|together with|and their|and its|and the|with their|with its",
    "or": "or|either",
    "not": """not|no|never|non|neither|nor|except|excluding|excluded|other than|only|don t|doesn t|isn t|aren
        t|wasn t|weren t|didn t|hasn t|haven t|none|exclude|besides|apart from|but|both|just|but not""",
    "without": "without|without any|lacking|have no|has no|had no|with no|missing|have never had",
    "null": "unknown|empty|blank",
    "before": "before|prior to|earlier than|older than",
    "after": "after|later than|newer than|more recent than|more recently than",
    "since": "since|starting from|from|as of",
    "until": "until|till|through",
    "order": "ordered by|sorted by|order by|sort by|order|sort|sorted|ordered|ranked by|rank by|sort them by",
    "desc": """descending order|in descending order|descending|decreasing|in decreasing order|highest first
        |largest first|desc|most first|newest first|latest first|from highest to lowest|from best to worst
        |from most to least|from largest to smallest""",
    "asc": """ascending order|in ascending order|ascending|increasing|in increasing order|lowest first
        |smallest
        first|asc|oldest first|from lowest to highest|earliest first""",
    "alphabetical": "alphabetically|in alphabetical order|alphabetical order",
    "much": "how much",
    "much:length": "how long",
    "much:mass": "how heavy",
    "takes": "take|takes|took|taken",
    "spent": "spend|spent|pay|paid",
    "compare": "compare|comparison of",
    "which": "which|what|who|whose|when|where",
    "list": "list|show|give|display|find|return|name|names|enumerate|tell",
    "having": "with|having|that have|that has|has|have|had",
    "uses": "needed|need|needs|required|requires|require|used|use|uses",
    "starts": "starting with|starts with|start with|beginning with|begins with|begin with",
    "contains": "containing|contains|contain|including the word|includes",
    "relative": """last year|this year|last month|this month|today|yesterday|last week|this week|next year
        |the past|recently|current|currently|now|ago""",
}
_DE = {
    "count": """wie viele|wieviele|anzahl der|anzahl|die anzahl der|anzahl von|zahl der|gesamtzahl der
        |gesamtanzahl
        der|wie oft|wie haufig|anzahl an""",
    "sum": "summe der|summe|summe des|summe von|insgesamt|gesamt|gesamte|gesamten|zusammen|total|in summe",
    "avg": """durchschnittliche|durchschnittlichen|durchschnittlicher|durchschnittliches|durchschnitt der
        |durchschnitt|durchschnittlich|im durchschnitt|mittelwert der|mittlere|mittleren|mittelwert|im mittel
        |durchschnitt des""",
    "max": """hochste|hochsten|hochster|hochstes|grosste|grossten|grosster|grosstes|maximale|maximalen|maximal
        |maximum|meisten|meiste|starkste|starksten|beste|besten|am meisten|am hochsten|top|maximaler
        |maximales""",
    "max:money": "teuerste|teuersten|teuerster|teuerstes|am teuersten",
    "max:count": "haufigste|haufigsten|haufigster|am haufigsten",
    "min:count": "seltenste|seltensten|am seltensten",
    "max:mass": "schwerste|schwersten|schwerster|schwerstes|am schwersten",
    "min:mass": "leichteste|leichtesten|am leichtesten",
    "min:money": "billigste|billigsten|gunstigste|gunstigsten|am billigsten|am gunstigsten",
    "max:date": """letzte|letzten|letzter|letztes|neueste|neuesten|neuester|neuestes|zuletzt
        |aktuellste""",
    "min:date": "erste|ersten|erster|erstes|fruheste|fruhesten|zuerst",
    "max:age": "jungste|jungsten|jungster|jungstes",
    "min:age": "alteste|altesten|altester|altestes",
    "max:length": "langste|langsten|am langsten",
    "min:length": "kurzeste|kurzesten|am kurzesten",
    "min": """niedrigste|niedrigsten|niedrigster|kleinste|kleinsten|kleinster|kleinstes|geringste|geringsten
        |minimale|minimum|minimal|wenigsten|am wenigsten|tiefste|tiefsten|minimalen""",
    "group": """pro|je|fur jede|fur jeden|fur jedes|nach|jede|jeder|jedes|jeden|in jeder|in jedem|gruppiert
        nach|an jedem""",
    "distinct": "verschiedene|verschiedenen|unterschiedliche|unterschiedlichen",
    "percent": """prozentsatz der|prozent der|wie viel prozent der|wieviel prozent der|prozentualer anteil
        der|prozent""",
    "share": "anteil der|anteil von|anteil|anteil an",
    "ratio": "verhaltnis von|verhaltnis der|verhaltnis",
    "outof": "an allen",
    "gt": "mehr als|grosser als|hoher als|uber|langer als|oberhalb von|teurer als",
    "ge": "mindestens|wenigstens|nicht weniger als",
    "lt": "weniger als|kleiner als|niedriger als|unter|kurzer als|unterhalb von|gunstiger als|billiger als",
    "le": "hochstens|bis zu|maximal|nicht mehr als",
    "eq": "gleich|genau",
    "ge_after": "oder mehr|oder hoher|oder grosser|und mehr",
    "le_after": "oder weniger|oder niedriger|oder kleiner|und weniger",
    "between": "zwischen",
    "and": "und|sowie|und deren|und ihre",
    "or": "oder|entweder",
    "not": """noch nicht|noch kein|noch keine|noch keinen
        |nicht|kein|keine|keinen|keiner|keinem|nie|ausser|ausgenommen|nur|weder|noch|ausschliesslich
        |niemals
        |sondern""",
    "without": "ohne",
    "null": "unbekannt|leer",
    "before": "vor|vor dem",
    "after": "nach dem|nach",
    "since": "seit|ab|seit dem|ab dem",
    "until": "bis|bis zum",
    "order": "sortiert nach|geordnet nach|sortiere nach|sortiert",
    "desc": "absteigend|hochste zuerst|grosste zuerst|neueste zuerst",
    "asc": "aufsteigend|kleinste zuerst|niedrigste zuerst|alteste zuerst",
    "alphabetical": "alphabetisch",
    "much": "wie viel|wieviel",
    "much:length": "wie lange",
    "much:mass": "wie schwer",
    "takes": "dauert|dauern|dauerte|dauerten",
    "spent": "ausgegeben|bezahlt",
    "compare": "vergleiche|vergleich",
    "which": "wie hoch|wie gross|welche|welcher|welches|welchen|welchem|was|wer|wessen|wann|wo|wie",
    "list": "liste|zeige|zeig|nenne|gib|finde|namen|name|auflisten|liste alle|aufzahlen",
    "having": "mit|haben|hat|hatte|hatten",
    "uses": "brauchten|brauchen|brauchte|benotigten|benotigen|benotigte",
    "starts": "beginnend mit|die mit",
    "contains": "enthalt|enthalten",
    "relative": """letztes jahr|letzten jahr|dieses jahr|letzten monat|diesen monat|heute|gestern|letzte woche
        |diese woche|im letzten jahr|in diesem jahr|aktuell|derzeit|in den letzten|kurzlich""",
}
_ES = {
    "count": "cuantos|cuantas|numero de|el numero de|cantidad de|numero total de|cuantas veces",
    "sum": "total de|suma de|total|la suma de|en total",
    "avg": "promedio de|promedio|media de|medio|media|de media|en promedio",
    "max": "mayor|mas alto|mas alta|maximo|maxima|mas|mas grande|mejor",
    "max:money": "mas caro|mas cara|mas caros|mas caras",
    "max:count": "mas frecuente|mas frecuentes|mas comun",
    "max:mass": "mas pesado|mas pesada",
    "min:money": "mas barato|mas barata|mas baratos|mas baratas",
    "max:date": "ultimo|ultima|mas reciente|ultimos|ultimas",
    "min:date": "primero|primera|primer",
    "max:age": "mas joven",
    "min:age": "mas antiguo|mas antigua|mas viejo|mas vieja",
    "max:length": "mas largo|mas larga",
    "min:length": "mas corto|mas corta",
    "min": "menor|mas bajo|mas baja|minimo|minima|menos|mas pequeno|mas pequena",
    "group": "por|por cada|para cada|de cada|en cada|cada|segun",
    "distinct": "diferentes|distintos|distintas",
    "percent": "porcentaje de|que porcentaje de",
    "share": "proporcion de",
    "ratio": "relacion entre|ratio de",
    "gt": "mas de|mayor que|mas que|superior a|superiores a|por encima de|mayor a|mas alto que",
    "ge": "al menos|como minimo|por lo menos",
    "lt": "menos de|menor que|inferior a|inferiores a|por debajo de|menos que|menor a",
    "le": "como maximo|hasta",
    "eq": "igual a|exactamente",
    "ge_after": "o mas",
    "le_after": "o menos",
    "between": "entre",
    "and": "y|e|asi como",
    "or": "o|u",
    "not": "no|nunca|excepto|salvo|solo|ningun|ninguna|ni|solamente|pero",
    "without": "sin",
    "before": "antes de|antes del",
    "after": "despues de|despues del",
    "since": "desde|a partir de",
    "until": "hasta",
    "order": "ordenado por|ordenados por|ordenadas por",
    "desc": "descendente|en orden descendente",
    "asc": "ascendente|en orden ascendente",
    "alphabetical": "alfabeticamente",
    "much": "cuanto|cuanta",
    "which": "que|cual|cuales|quien|quienes|cuando|donde",
    "list": "lista|muestra|dame|encuentra|nombra|nombres|nombre|listar|mostrar",
    "having": "con|tienen|tiene",
    "relative": "ano pasado|este ano|el ano pasado|mes pasado|hoy|ayer|este mes|actualmente|recientemente",
}
_IT = {
    "count": "quanti|quante|numero di|il numero di|numero totale di|quante volte|numero delle|numero dei",
    "sum": """totale di|somma di|somma delle|somma dei|totale|in totale|complessivo|complessiva
        |complessivamente""",
    "avg": "media di|media delle|media dei|medio|media|in media|medi|medie",
    "max": "piu alto|piu alta|massimo|massima|maggiore|piu|piu grande|migliore|maggior|massimi",
    "max:money": "piu caro|piu cara|piu costoso|piu costosa|piu costosi",
    "max:count": "piu frequente|piu frequenti|piu comune",
    "max:mass": "piu pesante",
    "min:money": "piu economico|piu economica|meno caro|meno costoso",
    "max:date": "ultimo|ultima|piu recente|piu recenti|ultimi|ultime",
    "min:date": "primo|prima",
    "max:age": "piu giovane",
    "min:age": "piu vecchio|piu vecchia|piu anziano|piu anziana",
    "max:length": "piu lungo|piu lunga",
    "min:length": "piu corto|piu corta|piu breve",
    "min": "piu basso|piu bassa|minimo|minima|minore|meno|piu piccolo|piu piccola",
    "group": "per|per ogni|per ciascun|per ciascuna|di ogni|in ogni|ogni|ciascun|ciascuna",
    "distinct": "diversi|diverse|distinti|distinte",
    "percent": "percentuale di|percentuale delle|percentuale dei|che percentuale di",
    "share": "quota di|proporzione di",
    "ratio": "rapporto tra",
    "gt": "piu di|maggiore di|superiore a|superiori a|oltre|sopra|piu alto di|oltre i|oltre le",
    "ge": "almeno",
    "lt": "meno di|minore di|inferiore a|inferiori a|sotto|piu basso di",
    "le": "al massimo|fino a",
    "eq": "uguale a|esattamente",
    "ge_after": "o piu",
    "le_after": "o meno",
    "between": "tra|fra",
    "and": "e|ed|nonche",
    "or": "o|oppure",
    "not": "non|mai|tranne|eccetto|solo|nessun|nessuna|ne|soltanto|ma",
    "without": "senza",
    "before": "prima del|prima di",
    "after": "dopo il|dopo",
    "since": "dal|da|a partire dal",
    "until": "fino al",
    "order": "ordinato per|ordinati per|ordinate per",
    "desc": "decrescente|in ordine decrescente",
    "asc": "crescente|in ordine crescente",
    "alphabetical": "alfabeticamente|in ordine alfabetico",
    "much": "quanto|quanta",
    "which": "quale|quali|che|chi|quando|dove|qual|cosa",
    "list": "elenca|mostra|dammi|trova|nomi|nome|elenco",
    "having": "con|hanno|ha",
    "relative": """anno scorso|l anno scorso|quest anno|mese scorso|oggi|ieri|questo mese|attualmente
        |recentemente""",
}
_FR = {
    "count": "combien de|combien d|nombre de|le nombre de|nombre d|nombre total de|combien de fois|combien",
    "sum": "total de|somme de|somme des|total des|total|totale|au total|en tout|somme du|total du",
    "avg": "moyenne de|moyenne des|moyen|moyenne|en moyenne|moyenne du|moyens|moyennes",
    "max": """plus haut|plus haute|plus eleve|plus elevee|maximum|maximal|maximale|plus grand|plus grande
        |plus|meilleur""",
    "max:money": "plus cher|plus chere|plus chers",
    "max:count": "plus frequent|plus frequente|plus courant|plus courante",
    "max:mass": "plus lourd|plus lourde",
    "min:money": "moins cher|moins chere",
    "max:date": "dernier|derniere|plus recent|plus recente|derniers|dernieres",
    "min:date": "premier|premiere",
    "max:age": "plus jeune",
    "min:age": "plus ancien|plus ancienne|plus vieux|plus age|plus agee",
    "max:length": "plus long|plus longue",
    "min:length": "plus court|plus courte",
    "min": "plus bas|plus basse|minimum|minimal|minimale|plus petit|plus petite|moins",
    "group": "par|pour chaque|de chaque|dans chaque|chaque|selon",
    "distinct": "differents|differentes|distincts|distinctes",
    "percent": "pourcentage de|pourcentage des|quel pourcentage de|quel pourcentage des",
    "share": "part de|part des|proportion de|proportion des",
    "ratio": "rapport entre|ratio de",
    "gt": "plus de|superieur a|superieure a|superieurs a|au dessus de|plus grand que|depassant",
    "ge": "au moins|minimum de",
    "lt": "moins de|inferieur a|inferieure a|inferieurs a|en dessous de",
    "le": "au plus|jusqu a|au maximum",
    "eq": "egal a|exactement",
    "ge_after": "ou plus",
    "le_after": "ou moins",
    "between": "entre",
    "and": "et|ainsi que",
    "or": "ou",
    "not": "ne|pas|jamais|sauf|seulement|aucun|aucune|ni|uniquement|n|mais|hormis",
    "without": "sans",
    "before": "avant|avant le",
    "after": "apres|apres le",
    "since": "depuis|a partir de|a partir du",
    "until": "jusqu en|jusqu au",
    "order": "trie par|tries par|triees par|classes par",
    "desc": "decroissant|par ordre decroissant",
    "asc": "croissant|par ordre croissant",
    "alphabetical": "alphabetiquement|par ordre alphabetique",
    "much": "quel montant de",
    "which": "quel|quelle|quels|quelles|qui|quand|ou est|que|quoi",
    "list": "liste|montre|donne|trouve|noms|nom|affiche|lister|donner|afficher",
    "having": "avec|ayant|ont|a",
    "relative": """annee derniere|l annee derniere|cette annee|mois dernier|aujourd hui|hier|ce mois
        |actuellement""",
}
_BY_LANGUAGE = {"en": _EN, "de": _DE, "es": _ES, "it": _IT, "fr": _FR}

_GLUE = {
    "en": """a an the of in on at to for from as is are was were be been being do does did there this that
        these those it its they them their he she his her i we us you your me my our s so such
        all any some please can could will would shall should may might up out into within
        during while along than then also who which what that whose s re ve t recorded listed
        registered exist exists existing available table tables database data dataset row rows
        record records entry entries file sheet spreadsheet according based following
        corresponding respective respectively given associated done performed made carried
        happened took place spent located situated received serve serves served serving offer
        offers offered offering provide provides provided publish published present presented
        write written wrote belong belongs belonging held get got work works worked feature
        featured include included including live living found called named titled result results
        one ones via through about came comes led leads stored kept own owned dr prof mr mrs ms yet
        already""",
    "de": """gearbeitet arbeitet arbeiten der die das den dem des ein eine einen einem einer eines in im an
        am auf aus bei beim zu zum zur von vom fur um ist sind war waren wird werden wurde
        wurden worden sein es sie er ihr ihre ihrer wir uns ich du mir man da dort dieser diese
        dieses alle aller allen alles gibt gab bitte kann konnen soll als wie so dabei dazu
        davon denn jeweils entsprechenden vorhanden tabelle tabellen datenbank daten datei zeile
        zeilen eintrag eintrage datensatze gemacht durchgefuhrt ausgefuhrt stehen steht stand
        befinden befindet liegen liegt verzeichnet welche dass ob durch es verwalten besitzen
        betreuen herr frau dr prof ging gingen fuhr fuhren gefahren beauftragt""",
    "es": """el la los las un una unos unas de del en a al para con es son fue fueron ha han hay habia hubo
        se su sus lo le les que este esta estos estas todos todas todo toda me nos tabla base
        datos registros fila filas registro ser sido esta estan durante tenemos sr sra dr""",
    "it": """il lo la i gli le un una uno di del della dei delle degli dello dell in nel nella nei nelle a al
        alla ai alle allo agli da dal dalla dai su sul sulla e sono stato stata stati state era
        erano ha hanno ci si suo sua loro questo questa questi queste tutti tutte tutto tutta c ancora gia
        l tabella database dati righe record riga mi durante essere d abbiamo sig signor signora dr""",
    "fr": """le la les l un une des de du d dans en au aux a sur est sont etait etaient ont ete il elle ils
        elles on ce cet cette ces se son sa ses leur leurs nous tous toutes tout toute y t c s
        qu pour chez table base donnees lignes enregistrements moi existe etre
        fut furent pendant avons mme dr""",
}

_MONTHS = {
    "en": "january february march april may june july august september october november december",
    "de": "januar februar marz april mai juni juli august september oktober november dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "fr": "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
}
_PERIODS = {
    "en": {
        "year": "year years annual annually yearly",
        "month": "month months monthly",
        "day": "day days daily",
    },
    "de": {"year": "jahr jahre jahren", "month": "monat monate monaten", "day": "tag tage tagen"},
    "es": {"year": "ano anos", "month": "mes meses", "day": "dia dias"},
    "it": {"year": "anno anni", "month": "mese mesi", "day": "giorno giorni"},
    "fr": {"year": "an ans annee annees", "month": "mois", "day": "jour jours"},
}
_NUMBERS = {
    "en": "two three four five six seven eight nine ten eleven twelve",
    "de": "zwei drei vier funf sechs sieben acht neun zehn elf zwolf",
    "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce",
    "it": "due tre quattro cinque sei sette otto nove dieci undici dodici",
    "fr": "deux trois quatre cinq six sept huit neuf dix onze douze",
}

UNITS: dict[str, tuple[str, float, str]] = {}
"""Folded or written form of a unit -> (dimension, factor to the dimension's own unit, the unit)."""
for _unit, _dimension, _factor, _forms in (
    ("h", "time", 3600.0, "hour hours hrs hr stunde stunden hora horas ora ore heure heures std"),
    ("min", "time", 60.0, "minute minutes mins minuten minuto minutos minuti"),
    ("s", "time", 1.0, "second seconds sec sekunde sekunden segundo segundos secondo secondi secondes"),
    ("d", "time", 86400.0, "day days tag tage tagen dia dias giorno giorni jour jours"),
    ("kW", "power", 1000.0, "kilowatt kilowatts"),
    ("W", "power", 1.0, "watt watts"),
    ("MW", "power", 1e6, "megawatt megawatts"),
    ("bar", "pressure", 1.0, "bars"),
    ("mbar", "pressure", 0.001, "millibar"),
    ("Nm", "torque", 1.0, "newtonmetre newtonmeter newtonmeters"),
    ("mm", "length", 0.001, "millimetre millimetres millimeter millimeters"),
    ("cm", "length", 0.01, "centimetre centimetres centimeter centimeters zentimeter"),
    ("m", "length", 1.0, "metre metres meter meters metern metro metros metri"),
    ("km", "length", 1000.0, "kilometre kilometres kilometer kilometers"),
    ("mi", "length", 1609.344, "mile miles meilen"),
    ("g", "mass", 0.001, "gram grams gramm"),
    ("kg", "mass", 1.0, "kilo kilos kilogram kilograms kilogramm"),
    ("t", "mass", 1000.0, "tonne tonnes tonnen"),
    ("l", "volume", 1.0, "litre litres liter liters litern"),
    ("€", "eur", 1.0, "eur euro euros"),
    ("$", "usd", 1.0, "usd dollar dollars"),
    ("£", "gbp", 1.0, "gbp pound pounds"),
    ("CHF", "chf", 1.0, "franken francs"),
    ("%", "percent", 1.0, "percent prozent per cent pct"),
    ("°C", "celsius", 1.0, "celsius"),
    ("°F", "fahrenheit", 1.0, "fahrenheit"),
    ("V", "voltage", 1.0, "volt volts"),
    ("A", "current", 1.0, "ampere amperes amps"),
    ("rpm", "rotation", 1.0, "u/min U/min 1/min"),
    ("mph", "speed", 1.609344, ""),
    ("km/h", "speed", 1.0, "kmh"),
    ("Hz", "frequency", 1.0, "hertz"),
):
    for _form in (_unit, *_forms.split()):
        UNITS[_form] = (_dimension, _factor, _unit)


def unit_of(written: str) -> tuple[str, float, str] | None:
    """(dimension, factor to the dimension's own unit, the unit) of a unit as it is written."""
    return UNITS.get(written) or UNITS.get(written.casefold())


MONEY = frozenset({"eur", "usd", "gbp", "chf"})
DIMENSIONS = {
    "mass": ("weight", "mass", "weigh", "heavy", "gewicht", "masse", "wiegt", "peso", "pesa", "poids"),
    "time": ("duration", "length", "dauer", "duracion", "durata", "duree"),
}
"""Words by which people speak of a column of this dimension, whatever its name."""
OPPOSITES = {
    "failed": "passed", "fail": "passed", "unpaid": "paid", "inactive": "active", "closed": "open",
    "incomplete": "complete", "unfinished": "finished", "unavailable": "available", "unbezahlt": "bezahlt",
    "inaktiv": "aktiv", "geschlossen": "offen",
}  # fmt: skip
"""Words that are said of rows whose column of yes and no, of the other name, says no."""
_PLACES = """location place site city town address base country region warehouse shelf bin room building plant
    station venue ort standort stadt lager lagerort adresse land halle lugar ubicacion ciudad luogo posizione
    citta sede magazzino lieu ville emplacement pays"""
PLACES = frozenset(_PLACES.split())
"""Words of columns that say where."""
_PERSONS = """person employee customer client tenant patient student pupil teacher technician mechanic driver
    owner member contact guest supplier doctor dentist operator author assignee salesperson manager worker
    kunde mieter fahrer techniker mitarbeiter patientin lehrer schuler besitzer eigentumer mitglied monteur
    lieferant mechaniker cliente inquilino paciente paziente empleado tecnico conductor dipendente autista
    insegnante studente fornitore proveedor locataire employe conducteur technicien fournisseur"""
PERSONS = frozenset(_PERSONS.split())
"""Words of columns that say who."""
QUARTERS = {
    "first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "last": 4,
    "ersten": 1, "erstes": 1, "zweiten": 2, "zweites": 2, "dritten": 3, "drittes": 3, "vierten": 4,
    "viertes": 4, "primer": 1, "segundo": 2, "tercer": 3, "cuarto": 4, "primo": 1, "secondo": 2, "terzo": 3,
    "quarto": 4, "premier": 1, "deuxieme": 2, "troisieme": 3, "quatrieme": 4,
}  # fmt: skip
SPANS_OF_YEAR = {
    "quarter": 3, "quartal": 3, "trimestre": 3, "half": 6, "halbjahr": 6, "semestre": 6,
}  # fmt: skip
"""Folded word -> its months."""

MAGNITUDES = {
    "hundred": 100, "hundert": 100, "thousand": 1000, "tausend": 1000, "mil": 1000, "mila": 1000,
    "mille": 1000,
    "million": 10**6, "millions": 10**6, "millionen": 10**6, "millones": 10**6, "milioni": 10**6,
    "billion": 10**9, "billions": 10**9, "milliarden": 10**9, "miliardi": 10**9, "milliards": 10**9,
}  # fmt: skip
"""Folded words that a number before them is multiplied by ("billion" as in English)."""

ABBREVIATIONS = {
    "no": "number", "nr": "number", "num": "number", "nbr": "number", "qty": "quantity", "amt": "amount",
    "desc": "description", "descr": "description", "dept": "department", "temp": "temperature",
    "addr": "address", "tel": "telephone", "phone": "telephone", "yr": "year", "max": "maximum",
    "min": "minimum", "avg": "average", "cnt": "count", "cat": "category", "mfr": "manufacturer",
    "org": "organization", "emp": "employee", "cust": "customer", "prod": "product", "inv": "invoice",
    "pct": "percent", "dob": "birthdate", "lang": "language", "loc": "location", "std": "standard",
    "dest": "destination", "dep": "departure", "arr": "arrival", "bez": "bezeichnung", "anz": "anzahl",
    "menge": "menge", "preis": "preis", "price": "price",
}  # fmt: skip
"""Words of column names in short -> in full; applied to both sides."""

_LABELS = """name title label designation bezeichnung nombre nome nom titel titolo titre titulo description
    beschreibung descripcion descrizione"""
LABELS = frozenset(_LABELS.split())
"""Columns that say what a row is, best first by their order in the table."""
CODES = frozenset(
    ("id", "code", "number", "key", "nummer", "codice", "codigo", "numero", "kennung", "identifier")
)
SUFFIXES = CODES | {"name", "value"}
"""What a column's name may end in without meaning anything else by it."""


def _split(text: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in text.split("|") if phrase.strip()]


@lru_cache(maxsize=8)
def operators(language: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Words of a phrase -> what it may ask for, the likeliest first."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for kind, phrases in _BY_LANGUAGE[language].items():
        for phrase in _split(phrases):
            words = tuple(phrase.split())
            found[words] = (*found.get(words, ()), kind)
    return found


@lru_cache(maxsize=8)
def glue(language: str) -> frozenset[str]:
    """Words that ask for nothing."""
    return frozenset(_GLUE[language].split())


@lru_cache(maxsize=8)
def negations(language: str) -> frozenset[str]:
    """Single words that turn a condition around."""
    return frozenset(
        words[0] for words, kinds in operators(language).items() if len(words) == 1 and "not" in kinds
    )


@lru_cache(maxsize=1)
def months() -> dict[str, int]:
    """Folded names of months, and their first three letters in English, -> 1..12."""
    found = {name: n for names in _MONTHS.values() for n, name in enumerate(names.split(), 1)}
    found.update({name[:3]: n for n, name in enumerate(_MONTHS["en"].split(), 1)})
    return found


@lru_cache(maxsize=8)
def periods(language: str) -> dict[str, str]:
    """Folded word -> "year", "month" or "day"."""
    return {word: period for period, words in _PERIODS[language].items() for word in words.split()}


@lru_cache(maxsize=8)
def number_words(language: str) -> dict[str, int]:
    """Folded word -> 2..12 ("one" is left out: "which one")."""
    return {word: n for n, word in enumerate(_NUMBERS[language].split(), 2)}
