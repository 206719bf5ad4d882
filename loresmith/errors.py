"""The exception tree. Catch `LoresmithError` to catch all of it.

    LoresmithError                 exit status 1
    ├── UsageError                 2  wrong arguments, wrong configuration key or value
    │   ├── ConfigError            a line of loresmith.toml or an environment variable is wrong
    │   └── WorkspaceNotFound      no loresmith.toml here or above
    ├── WorkspaceLocked            another process writes to this workspace
    ├── StorageError               full disk, missing permission, damaged file of the workspace
    │   ├── IndexDamaged           the index does not agree with what was acknowledged
    │   └── StateDamaged           state.db cannot be read
    ├── SourceError                a source cannot be read (file, folder, address)
    ├── ParseError                 a document cannot be read; `sync` reports it and goes on
    ├── DatasetError               a dataset or training file cannot be used
    ├── TrainingError              training cannot start or go on; the last checkpoint is whole
    │   └── NotForReader           an adapter was trained on what this reader may not see
    ├── ModelError                 a model is unknown, missing, damaged or cannot answer
    │   ├── PromptTooLong          prompt and answer do not fit the model's window
    │   ├── ArmMissing             an arm is asked for that has no model or no adapter here
    │   └── MissingExtra           an optional package is needed; the text holds the install line
    ├── QueryError                 a question to the tables cannot be answered with this query
    │   ├── PlanError              a plan names what is not there, or joins or counts ambiguously
    │   ├── Unsound                a statement is not one that may be run; the text says why
    │   └── QueryFailed            the database refused or stopped it: its own words
    ├── GateClosed             3  an expert is not promoted: worse than the present one, or not measured
    └── EndpointError              a configured HTTP endpoint fails or answers wrongly

Every error says what was wrong, where (file, page, row, line, key) and what to do about it:
`str(error)` is one message for a person, `error.remedy` is the part after the fact.
"""

from __future__ import annotations


class LoresmithError(Exception):
    """What went wrong, and the remedy.

    Args:
        problem: one sentence that names the thing and its place.
        remedy: one sentence that says what to do; shown after the problem.
    """

    exit_status = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()


class UsageError(LoresmithError):
    exit_status = 2


class ConfigError(UsageError):
    pass


class WorkspaceNotFound(UsageError):
    pass


class WorkspaceLocked(LoresmithError):
    pass


class StorageError(LoresmithError):
    pass


class IndexDamaged(StorageError):
    pass


class StateDamaged(StorageError):
    pass


class SourceError(LoresmithError):
    pass


class ParseError(LoresmithError):
    pass


class DatasetError(LoresmithError):
    pass


class TrainingError(LoresmithError):
    pass


class NotForReader(TrainingError):
    pass


class ModelError(LoresmithError):
    pass


class PromptTooLong(ModelError):
    pass


class ArmMissing(ModelError):
    pass


class MissingExtra(ModelError):
    """An optional dependency is not installed.

    Args:
        feature: what needs it, as the user would name it.
        package: the module that could not be imported.
        extra: the extra of this distribution that brings it.
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the package {package}, which is not installed.",
            f'Install it with: pip install "loresmith[{extra}]"',
        )


class QueryError(LoresmithError):
    pass


class PlanError(QueryError):
    pass


class Unsound(QueryError):
    pass


class QueryFailed(QueryError):
    pass


class GateClosed(LoresmithError):
    exit_status = 3


class EndpointError(LoresmithError):
    pass
