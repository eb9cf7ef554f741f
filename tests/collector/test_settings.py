import dataclasses
import re
import socket
from pathlib import Path

import pytest

from collector.settings import GROUPS, Settings, environment_name, read_settings

FIELDS = dataclasses.fields(Settings)
PLAYED = ("--simulate=s.toml", "--node=node-a")


def test_a_flag_wins_over_the_environment_and_that_over_the_default() -> None:
    """For one setting: default, then environment, then flag."""
    environment = {"FLOPWATCH_COLLECTOR_LISTEN_PORT": "1"}
    assert read_settings([], {}).listen_port == 9478
    assert read_settings([], environment).listen_port == 1
    assert read_settings(["--listen-port=2"], environment).listen_port == 2


def test_a_flag_wins_also_over_a_bad_environment() -> None:
    """A variable that is not used is not looked at, and help is given whatever the environment says."""
    environment = {"FLOPWATCH_COLLECTOR_LISTEN_PORT": "none"}
    assert read_settings(["--listen-port=2"], environment).listen_port == 2
    with pytest.raises(SystemExit) as helped:
        read_settings(["--help"], environment)
    assert helped.value.code == 0


def test_an_empty_variable_is_not_set() -> None:
    """A manifest that leaves a value empty means the default, also where the default is not empty."""
    environment = {environment_name(each.name): "" for each in FIELDS}
    assert read_settings([], environment) == Settings()


def test_defaults_are_usable() -> None:
    """Without anything given, real GPUs are read and served on loopback, under the host's name."""
    settings = read_settings([], {})
    assert (settings.simulate, settings.listen_host, settings.token()) == ("", "127.0.0.1", "")
    assert settings.node_name() == socket.gethostname()
    assert read_settings(["--node=n"], {}).node_name() == "n"


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["--listen-port=x"], {}, "argument --listen-port: invalid int value: 'x'"),
        (["--listen-port=65536"], {}, "--listen-port must be from 0 to 65535"),
        (["--listen-port=-1"], {}, "--listen-port must be from 0 to 65535"),
        ([], {"FLOPWATCH_COLLECTOR_LISTEN_PORT": "x"}, "FLOPWATCH_COLLECTOR_LISTEN_PORT: 'x' is not an int"),
        ([*PLAYED, "--begins-at=1e300"], {}, "--begins-at must be at most 4102444800"),
        ([*PLAYED, "--speed=1e300"], {}, "--speed must be at most 100000"),
        (["--interval-seconds=1e300", "--max-gap-seconds=1e301"], {}, "--interval-seconds must be at most 86400"),
        (["--node=a\udcff"], {}, "--node must be printable text"),
        ([], {"FLOPWATCH_COLLECTOR_SPEED": "fast"}, "FLOPWATCH_COLLECTOR_SPEED: 'fast' is not a float"),
        (["--interval-seconds=0"], {}, "--interval-seconds must be at least 0.001"),
        (["--interval-seconds=1e-10"], {}, "--interval-seconds must be at least 0.001"),
        (["--hang-seconds=0"], {}, "--hang-seconds and --release-seconds must be above 0"),
        (["--release-seconds=-1"], {}, "--hang-seconds and --release-seconds must be above 0"),
        (["--interval-seconds=nan"], {}, "numbers must be finite"),
        (["--max-gap-seconds=inf"], {}, "numbers must be finite"),
        ([*PLAYED, "--speed=-1"], {}, "--speed must be at least 0.001"),
        ([*PLAYED, "--speed=1e-300"], {}, "--speed must be at least 0.001"),
        (["--interval-seconds=60"], {}, "--max-gap-seconds must be at least --interval-seconds"),
        (
            ["--retention-seconds=-1"],
            {},
            "--retention-seconds, --begins-at and --state-interval-seconds must not",
        ),
        (["--speed=2"], {}, "--speed needs --simulate"),
        (["--begins-at=1"], {}, "--begins-at needs --simulate"),
        (["--simulate=s.toml"], {}, "--simulate needs --node"),
        ([*PLAYED, "--holders-file=h"], {}, "--holders-file and --simulate exclude each other"),
        (["--process-check=yes"], {}, "--process-check must be on or off"),
        (["--log-level=loud"], {}, "--log-level must be one of debug, info, warning, error"),
        (["--tls-cert-file=c"], {}, "--tls-cert-file and --tls-key-file need each other"),
        (["--tls-key-file=k"], {}, "--tls-cert-file and --tls-key-file need each other"),
        (["--tls-client-ca-file=a"], {}, "--tls-client-ca-file needs --tls-cert-file"),
        (["--format=xml"], {}, "--format must be one of text, json"),
        ([], {"FLOPWATCH_COLLECTOR_ONCE": "yes"}, "FLOPWATCH_COLLECTOR_ONCE: 'yes' is not true or false"),
        (["--metrics=some"], {}, "--metrics must be one of minimal, full"),
        (["--sim=s.toml"], {}, "unrecognized arguments: --sim=s.toml"),
        (["--nonsense"], {}, "unrecognized arguments: --nonsense"),
    ],
)
def test_a_bad_setting_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], environment: dict[str, str], says: str
) -> None:
    """Exit code 2 and one line on standard error that names the setting; nothing on standard output."""
    with pytest.raises(SystemExit) as refused:
        read_settings(arguments, environment)
    told = capsys.readouterr()
    assert (refused.value.code, told.out) == (2, "")
    assert re.fullmatch(rf"flopwatch-collector: {re.escape(says)}.*; see --help\n", told.err)


def test_good_combinations_are_taken() -> None:
    """What the bad ones lack or have too much is all that was wrong with them."""
    assert read_settings([*PLAYED, "--speed=60", "--begins-at=1.5", "--log-level=DEBUG"], {}).speed == 60
    assert read_settings(["--interval-seconds=30", "--listen-port=0", "--retention-seconds=0"], {}).listen_port == 0
    tls = ["--tls-cert-file=c", "--tls-key-file=k"]
    assert read_settings(tls, {}).tls_client_ca_file == ""
    assert read_settings([*tls, "--tls-client-ca-file=a"], {}).tls_client_ca_file == "a"
    assert read_settings(["--once", "--format=json"], {}).once
    assert read_settings([], {"FLOPWATCH_COLLECTOR_ONCE": "True"}).once
    assert not read_settings([], {"FLOPWATCH_COLLECTOR_ONCE": "false"}).once


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """For each setting: flag, what it is, unit, default and environment variable; and the exit codes."""
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        read_settings(["--help"], {})
    text = " ".join(capsys.readouterr().out.split())
    for each in FIELDS:
        unit = f" {each.metadata['unit']}" if each.metadata["unit"] else ""
        default = f" [{each.default}{unit}]" if each.default != "" else ""
        metavar = (each.metadata["unit"] or each.metadata["kind"].__name__).upper().replace(" ", "_")
        flag = f"--{each.name.replace('_', '-')}" + ("" if each.metadata["kind"] is bool else f" {metavar}")
        assert f" {flag} {each.metadata['help']}{default} ({environment_name(each.name)}) " in text
    assert "SIGUSR1 makes it let go of the driver" in text
    assert "exit codes: 0 stopped by a signal, 1 cannot serve or broke down, 2 unusable settings" in text
    assert "with --once: 0 every GPU was read, 2 unusable settings, 3 some GPU could not be read" in text


def test_every_setting_is_explained_in_one_group() -> None:
    """The groups of the help have every setting between them, and each of them once."""
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(each.name for each in FIELDS)


def test_help_names_the_groups(capsys: pytest.CaptureFixture[str]) -> None:
    """What a setting is about stands above it."""
    with pytest.raises(SystemExit):
        read_settings(["--help"], {})
    text = capsys.readouterr().out
    assert [text.index(f"\n{title}:\n") for title in GROUPS] == sorted(text.index(f"\n{title}:\n") for title in GROUPS)


def test_every_number_of_time_has_a_unit() -> None:
    """A setting that is a number has its unit, and one in seconds says so in its name."""
    for each in FIELDS:
        if each.metadata["kind"] is float:
            assert each.metadata["unit"]
            assert (each.metadata["unit"] == "seconds") == each.name.endswith("_seconds")


def test_the_token_is_the_files_content(tmp_path: Path) -> None:
    """White space around it does not belong to it."""
    path = tmp_path / "token"
    path.write_text(" secret\n", encoding="utf-8")
    assert read_settings([f"--bearer-token-file={path}"], {}).token() == "secret"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b" \n", "is empty; write the token into it"),
        (b"\xff", "cannot be"),
        (b"one\ntwo", "what no reader can send"),
        (b"two words", "what no reader can send"),
        ("tök".encode(), "what no reader can send"),
    ],
)
def test_a_token_file_without_token_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    """A file that was asked for and holds no token does not mean that none is needed."""
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=says):
        read_settings([f"--bearer-token-file={path}"], {}).token()
    with pytest.raises(ValueError, match="cannot be read"):
        read_settings([f"--bearer-token-file={tmp_path / 'none'}"], {}).token()
