"""The server of our own, as a command."""

import pytest

from aims_pax.testing.databases.server import main


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), (["nowhere"], 2)])
def test_the_command_says_how_it_is_called_and_serves_nothing(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=str(status)):
        main(arguments)
    said = capsys.readouterr()
    assert "python -m aims_pax.testing.databases.server [-h] [port]" in said.out + said.err
    assert "MP_API_KEY" not in said.out
