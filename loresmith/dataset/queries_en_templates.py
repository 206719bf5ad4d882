"""Wordings of questions to tables in English; the slots are filled by queries_en.py. "done": of a date
that is called by what was done on it ("hired").
"""

from __future__ import annotations

_TEXT = {
    "count": """
        How many {rows} are there? | How many {rows} do we have? | Number of {rows} | Count the {rows}. |
        What is the number of {rows}? | How many {rows} are on record? | Tell me how many {rows} we have. |
        Can you count the {rows} for me? | {rows}: how many? | What's our count of {rows}?""",
    "sum": """
        What is the total {col} of {rows}? | Total {col} for {rows}? | Add up the {col} of all {rows}. | How
        much {col} do {rows} come to in total? | Sum of {col} over {rows} | What {col} do {rows} add up to?
        | {col} of {rows} in total? | What is the overall {col} for {rows}? | How much {col} was there for
        {rows}?""",
    "avg": """
        What is the average {col} of {rows}? | Mean {col} of {rows} | On average, what {col} do {rows} have?
        | How high is the {col} of {rows} on average? | Average {col} for {rows}? | What {col} is typical of
        {rows} on average? | Give me the mean {col} across {rows}.""",
    "max": """
        What is the highest {col} of {rows}? | Largest {col} among {rows}? | What's the maximum {col} for
        {rows}? | How high does the {col} of {rows} get? | Tell me the biggest {col} of any of the {rows}. |
        What is the top {col} for {rows}?""",
    "min": """
        What is the lowest {col} of {rows}? | Smallest {col} among {rows}? | What's the minimum {col} for
        {rows}? | How low does the {col} of {rows} get? | Tell me the least {col} of any of the {rows}.""",
    "figure_by": """
        What is the {figure} {by}? | {figure} {by} | Show the {figure} {by}. | Give me the {figure} {by}. |
        Break the {figure} down {split}. | For each {group}, what is the {figure}? | How does the {figure}
        differ {split}? | I need the {figure} {by}.""",
    "count_by": """
        How many {rows} are there {by}? | Number of {rows} {by} | Count the {rows} {by}. | For each {group},
        how many {rows} are there? | How many {rows} does each {group} have? | How are the {rows} spread
        over the {groups}? | Show how many {rows} we have {by}.""",
    "list": """
        Which {rows} are there? | List all {rows}. | Show me the {rows}. | What are the {rows}? | Give me
        all {rows}. | Name the {rows}. | Which are the {rows}? | I need a list of {rows}.""",
    "look_up": """
        What is the {col} of {key}? | {key}: {col}? | Tell me the {col} of {one} {key}. | Which {col} does
        {key} have? | {col} of {key} | What {col} does {one} {key} have? | I want to know the {col} of
        {key}. | What's {key}'s {col}?""",
    "beside": """
        Show the {rows} with their {col}. | List {rows} and their {col}. | What {col} do the {rows} have? |
        Give me the {col} of each of the {rows}. | Which {rows} are there, and what is their {col}?""",
    "top": """
        Which {row} has the {most} {col}? | What is the {row} with the {most} {col}? | Name the {row} with
        the {most} {col}. | {row} with the {most} {col}? | Find the {row} of {most} {col}. | Of all {rows},
        which one has the {most} {col}?""",
    "top_n": """
        Which {n} {rows} have the {most} {col}? | List the {n} {rows} with the {most} {col}. | The {n}
        {rows} with the {most} {col} | Show me the {n} {rows} of {most} {col}. | What are the {n} {rows}
        with the {most} {col}?""",
    "top_group": """
        Which {group} has the {most} {figure}? | What {group} comes {rank} in {figure}? | Name the {group}
        with the {most} {figure}. | {group} with the {most} {figure}? | By {figure}, which {group} is
        {rank}?""",
    "top_count": """
        Which {group} has the {many} {rows}? | What {group} comes {rank} in number of {rows}? | Name the
        {group} with the {many} {rows}. | Where are the {many} {rows}, by {group}? | Which {group} shows up
        {often} among the {rows}?""",
    "distinct": """
        Which {cols} are there? | List the different {cols}. | What {cols} occur among the {rows}? | Which
        different {cols} do the {rows} have? | Show every {col} that we have. | Name all the {cols}.""",
    "count_distinct": """
        How many different {cols} are there? | How many distinct {cols} do the {rows} have? | Number of
        different {cols} among the {rows} | Count the unique {cols}. | How many {cols} do we have?""",
    "having": """
        Which {groups} have more than {n} {rows}? | List the {groups} with over {n} {rows}. | What {groups}
        come with more than {n} {rows}? | Name each {group} that has more than {n} {rows}.""",
    "share": """
        What percentage of the {all} are {rows}? | What share of {all} is {rows}? | How many percent of the
        {all} are {rows}? | Percentage of {rows} among all {all} | What proportion of our {all} are {rows},
        in percent?""",
    "without": """
        Which {rows} have no {other}? | List the {rows} without any {other}. | {rows} that never had any
        {other} | Which {rows} don't have any {other}? | Show {rows} that have no {other} at all.""",
    "count_without": """
        How many {rows} have no {other}? | Number of {rows} without any {other} | How many {rows} never had
        any {other}? | Count the {rows} that have no {other}.""",
    "with_rows": """
        Which {all} have {other}? | List the {all} that have {other}. | Name the {all} with {other}. | For
        which {all} are there {other}? | Show me {all} that had {other}.""",
    "when True": """
        When was the last of the {rows}? | What is the most recent {col} of {rows}? | Latest {col} among
        {rows}? | When did we last have {rows}?""",
    "newest True": """
        Which {row} has the latest {col}? | What is the most recent {row} by {col}? | Which of the {rows} is
        the newest, by {col}? | {row} with the latest {col}?""",
    "when False": """
        When was the first of the {rows}? | What is the earliest {col} of {rows}? | First {col} among
        {rows}? | When did we first have {rows}?""",
    "newest False": """
        Which {row} has the earliest {col}? | What is the first {row} by {col}? | Which of the {rows} is the
        oldest, by {col}? | {row} with the earliest {col}?""",
    "done newest True": """
        Which {row} was {verb} last? | Which {row} was {verb} most recently? | {row} {verb} last? | The last
        {row} to be {verb} | Of all {rows}, which one was {verb} most recently?""",
    "done newest False": """
        Which {row} was {verb} first? | Which {row} was the first to be {verb}? | {row} {verb} first? | Of
        all {rows}, which one was {verb} earliest?""",
    "done when True": """
        When was the last of the {rows} {verb}? | On what date was one of the {rows} last {verb}? | When
        were {rows} last {verb}?""",
    "done when False": """
        When was the first of the {rows} {verb}? | On what date was one of the {rows} first {verb}? | When
        were {rows} first {verb}?""",
    "done look_up True": """
        When was {key} {verb}? | When was {one} {key} {verb}? | {key}: {verb} when? | On what date was {key}
        {verb}? | What is the {col} date of {key}?""",
}
TEMPLATES: dict[str, tuple[str, ...]] = {
    name: tuple(part.strip() for part in " ".join(text.split()).split("|")) for name, text in _TEXT.items()
}
FIGURES = {
    "sum": ("total {col}", "sum of {col}", "{col} in total", "overall {col}"),
    "avg": ("average {col}", "mean {col}", "{col} on average"),
    "max": ("highest {col}", "maximum {col}", "largest {col}"),
    "min": ("lowest {col}", "minimum {col}", "smallest {col}"),
}
_WORDS = {
    "place": """
        city town country site location place region state county district hall building room warehouse
        plant workshop yard port station floor office area zone line dock shelf village province""",
    "maker": """
        supplier vendor manufacturer maker brand producer customer client buyer author artist publisher""",
    "doer": """
        technician employee driver operator inspector teacher doctor potter clerk seller agent worker
        mechanic person user owner captain engineer analyst reporter handler assignee""",
    "kind": """
        status state kind type category priority class colour color shade material model size fuel mode
        level grade brand cause reason severity""",
    "done": """
        built sold bought made born sent begun paid done seen shut lost found left""",
}
WORDS = {name: frozenset(text.split()) for name, text in _WORDS.items()}
"""What columns are called whose values are places, makers, people at work, kinds of things; what is done
on a date."""
MONTHS = tuple(
    """January February March April May June July August September October November December""".split()  # noqa: SIM905
)
