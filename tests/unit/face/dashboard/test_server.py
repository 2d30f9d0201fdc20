"""What is seen to before a dashboard is served."""

import pytest

from aims_pax.cli.commands.outcome.dashboard import has_display
from aims_pax.errors import UserError
from aims_pax.face.dashboard import server


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "NEEDED", ("json", "no_such_package"))
    with pytest.raises(UserError, match=r"needs no_such_package(?s:.*)pip install 'aims-pax\[dashboard\]'"):
        server.require_packages()


def test_port_zero_finds_a_free_one() -> None:
    with server.bound("127.0.0.1", 0) as one, server.bound("127.0.0.1", 0) as other:
        assert one.getsockname()[1] != other.getsockname()[1]
        assert server.address_of("0.0.0.0", one, "x") == f"http://127.0.0.1:{one.getsockname()[1]}/x/"
        assert server.address_of("::1", one, "x").startswith("http://[::1]:")


@pytest.mark.parametrize(
    ("environment", "has"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"DISPLAY": ":0", "SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}, False)],
)
def test_a_browser_is_opened_where_somebody_sees_it(
    environment: dict[str, str], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", "linux")
    assert has_display() is has
