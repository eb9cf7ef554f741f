"""
What somebody brings to be imported, and whether it may be.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from policy.kyc.directory import Directory
from policy.kyc.importing.checks import contradictions
from policy.kyc.importing.forms import FORMS, FileRead
from policy.kyc.importing.known import known_ids
from policy.kyc.importing.problems import whole_file_error
from policy.kyc.problems import KycError, KycProblem
from policy.kyc.repeated import repeated
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import PREDICATES, ValueKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """
    What is to be imported: files, whose word they are, and who brings them.

    ``is_whole``: together they are all that the source says; of no files that is nothing. ``accept_rest``: beside rows
    that are reported the others are taken, and then nothing is withdrawn for not being there: it may stand in a row
    that was reported. ``withdraw_many``: also where so much is not there any more that they look broken off.
    """

    source: str
    author: str
    files: tuple[FileRead, ...]
    is_whole: bool = True
    accept_rest: bool = False
    withdraw_many: bool = False

    @property
    def problems(self) -> tuple[KycProblem, ...]:
        """Of all files."""
        return tuple(problem for each in self.files for problem in each.read.problems)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of its source that the files are; of every other part they say nothing."""
        return tuple(sorted({each.read.part for each in self.files}))

    @property
    def statements(self) -> Iterator[Statement]:
        """Of all files, one after the other."""
        return (statement for each in self.files for statement in each.read.statements)

    def check(self) -> None:
        """Raise KycError with every problem where this must not be imported as it is."""
        if not self.files:
            return
        says_nothing = not any(each.read.statements for each in self.files)
        is_useless = says_nothing or any(each.read.unreadable for each in self.files)
        if self.problems and (is_useless or not self.accept_rest):
            raise KycError(self.path, self.problems)
        if says_nothing:
            raise whole_file_error(self.path, "says nothing that is kept", "a file that says something of a party")
        self._check_files_agree()

    def check_parties(self, known: Directory) -> None:
        """Raise KycError where people decided about a party of which nothing is known: mostly a slip."""
        decided = (file.read.statements for file in self.files if FORMS[file.form].own_source)
        about = {each.subject for said in decided for each in said}
        if about and not self.accept_rest and (strangers := sorted(about - known_ids(known))):
            first = repeated(strangers[0])
            problem = f"about parties that the store does not know: {len(strangers)}, the first {first}"
            raise whole_file_error(self.path, problem, "their ids as 'list' shows them, or --accept-rest")

    def _check_files_agree(self) -> None:
        """What each file says has been held against itself already. Names may be written in several ways."""
        if len(self.files) == 1:
            return
        said = [each for each in self.statements if PREDICATES[each.predicate].kind is not ValueKind.TEXT]
        for key, _ in contradictions(dict(enumerate(said))):
            whose = repeated(said[key].subject)
            problem = f"of {whose} {said[key].predicate} is said in two ways in the files, as of one day"
            raise whole_file_error(self.path, problem, "files of one source that agree, or two sources")

    @property
    def path(self) -> Path:
        """The first file with a problem, else the first."""
        return next((each.path for each in self.files if each.read.problems), self.files[0].path)
