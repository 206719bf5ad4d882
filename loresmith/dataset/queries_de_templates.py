"""Wordings of questions to tables in German; the slots are filled by queries_de.py."""

from __future__ import annotations

_TEXT = {
    "count": """
        Wie viele {rows} gibt es? | Anzahl {rows} | Wie viele {rows} haben wir? | Zähle {rows}. | Wie hoch
        ist die Anzahl {rows}? | Sag mir, wie viele {rows} es gibt.""",
    "sum": """
        Wie hoch ist die Summe {col} bei {rows}? | Summe {col} für {rows} | {col} insgesamt für {rows}? |
        Wie viel {col} kommt bei {rows} zusammen? | Addiere {col} aller {rows}. | Wie hoch ist {col}
        insgesamt bei {rows}?""",
    "avg": """
        Wie hoch ist {col} im Durchschnitt bei {rows}? | Durchschnitt {col} für {rows} | Mittelwert von
        {col} bei {rows}? | Welchen Durchschnitt hat {col} bei {rows}?""",
    "max": """
        Wie hoch ist {col} bei {rows} höchstens? | Höchster Wert von {col} bei {rows}? | Maximum von {col}
        für {rows} | Was ist der größte Wert von {col} bei {rows}?""",
    "min": """
        Wie niedrig ist {col} bei {rows} mindestens? | Kleinster Wert von {col} bei {rows}? | Minimum von
        {col} für {rows} | Was ist der niedrigste Wert von {col} bei {rows}?""",
    "figure_by": """
        {figure} je {group} | Wie hoch ist {figure} je {group}? | {figure} nach {group} | Zeige {figure} pro
        {group}. | Wie verteilt sich {figure} auf {group}?""",
    "count_by": """
        Wie viele {rows} gibt es je {group}? | Anzahl {rows} nach {group} | Wie viele {rows} pro {group}? |
        Zähle {rows} je {group}.""",
    "list": """
        Welche {rows} gibt es? | Liste alle {rows}. | Zeige {rows}. | Nenne alle {rows}. | Gib mir {rows}.""",
    "look_up": """
        Was ist {col} von {key}? | {col} von {key}? | {key}: {col}? | Welchen Wert hat {col} bei {key}? |
        Sag mir {col} von {key}.""",
    "beside": """
        Zeige {rows} mit {col}. | Liste {rows} und dazu {col}. | Welche {rows} gibt es, und was ist jeweils
        {col}?""",
    "top": """
        Bei welchem Eintrag von {rows} ist {col} am {most}? | Wo ist {col} am {most} bei {rows}? | Nenne von
        {rows} den Eintrag mit {col} am {most}. | {rows}: wo ist {col} am {most}?""",
    "top_n": """
        Welche {n} {rows} haben {col} am {most}? | Die {n} {rows}, bei denen {col} am {most} ist | Liste die
        {n} {rows}, deren {col} am {most} ist.""",
    "top_group": """
        Bei welchem Wert von {group} ist {figure} am {most}? | Wo ist {figure} am {most}, nach {group}? |
        {group}: wo ist {figure} am {most}?""",
    "top_count": """
        Bei welchem Wert von {group} gibt es {many} {rows}? | Wo gibt es {many} {rows}, nach {group}? |
        Welches {group} hat {many} {rows}?""",
    "distinct": """
        Welche Werte von {col} gibt es? | Liste die verschiedenen Werte von {col}. | Welche {col} kommen bei
        {rows} vor?""",
    "count_distinct": """
        Wie viele verschiedene {col} gibt es? | Anzahl verschiedener {col} bei {rows} | Wie viele
        unterschiedliche Werte hat {col}?""",
    "having": """
        Bei welchem {group} gibt es mehr als {n} {rows}? | Nenne jeden Wert von {group} mit mehr als {n}
        {rows}.""",
    "share": """
        Wie viel Prozent der {all} sind {rows}? | Welchen Anteil in Prozent haben {rows} an allen {all}? |
        Prozentsatz {rows} unter allen {all}""",
    "without": """
        Welche {rows} haben keine {other}? | Liste {rows} ohne {other}. | {rows}, zu denen es keine {other}
        gibt""",
    "count_without": """
        Wie viele {rows} haben keine {other}? | Anzahl {rows} ohne {other}""",
    "with_rows": """
        Welche {all} haben {other}? | Zu welchen {all} gibt es {other}? | Liste die {all}, die {other}
        haben.""",
    "newest True": """
        Bei welchem Eintrag von {rows} ist {col} am spätesten? |
        {rows}: welcher Eintrag hat zuletzt {col}?""",
    "newest False": """
        Bei welchem Eintrag von {rows} ist {col} am frühesten? |
        {rows}: welcher Eintrag hat zuerst {col}?""",
    "when True": """
        Wann war zuletzt {col} bei {rows}? | Letztes {col} bei {rows}? | Was ist das späteste {col} bei
        {rows}?""",
    "when False": """
        Wann war zuerst {col} bei {rows}? | Erstes {col} bei {rows}? | Was ist das früheste {col} bei
        {rows}?""",
}
TEMPLATES: dict[str, tuple[str, ...]] = {
    name: tuple(part.strip() for part in " ".join(text.split()).split("|")) for name, text in _TEXT.items()
}
FIGURES = {
    "sum": ("die Summe {col}", "{col} insgesamt", "{col} gesamt"),
    "avg": ("der Durchschnitt von {col}", "{col} im Durchschnitt", "der Mittelwert von {col}"),
    "max": ("das Maximum von {col}", "der höchste Wert von {col}"),
    "min": ("das Minimum von {col}", "der niedrigste Wert von {col}"),
}
_WORDS = {
    "place": """ort stadt land standort werk halle lager region raum gebaude plz bezirk anlage""",
    "maker": """lieferant hersteller kunde kundin firma marke zulieferer auftraggeber""",
    "doer": """techniker mitarbeiter fahrer bediener prufer lehrer arzt verkaufer bearbeiter monteur""",
}
WORDS = {name: frozenset(text.split()) for name, text in _WORDS.items()}
"""What columns are called whose values are places, makers and people at work."""
MONTHS = tuple(
    """Januar Februar März April Mai Juni Juli August September Oktober November Dezember""".split()  # noqa: SIM905
)
