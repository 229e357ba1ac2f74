"""The command line in this process: what it says on either side, and the code it ends with."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from strata.cli.main import main
from strata.home import Home
from tests.orchestration import story
from tests.orchestration.story import Story


@dataclass(frozen=True)
class Said:
    """Exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Strata = Callable[..., Said]


@pytest.fixture
def strata(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Strata:
    """`strata(home, "releases", "list")`."""

    def command(home: Home | Path, *arguments: str) -> Said:
        root = home.root if isinstance(home, Home) else home
        monkeypatch.setattr("sys.argv", ["strata", "--home", str(root), *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        code = end.value.code
        assert code is None or isinstance(code, int), code
        return Said(code or 0, said.out, said.err)

    return command


@pytest.fixture
def home(lived: Story, tmp_path: Path) -> Home:
    """A copy of the golden company in which 2026-06 is published, to change as one likes."""
    return story.copy_of(lived.end, tmp_path / "home")
