"""Tokens and the file they are kept in."""

from pathlib import Path

import pytest

from policy.review.access import Tokens, digest_of, new_token
from policy.review.errors import NotAuthenticated, TokensFileRefused

DIGEST = digest_of("a-token")


def a_file(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    """A tokens file with this text and mode."""
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_token_names_its_actor(tmp_path: Path) -> None:
    """Each token belongs to one person, wherever it stands in the file."""
    (alice, alice_digest), (bob, bob_digest) = new_token(), new_token()
    tokens = Tokens.load(a_file(tmp_path, f'[tokens]\nalice = "{alice_digest}"\n"bob@ops" = "{bob_digest}"\n'))
    assert [tokens.actor_of(alice), tokens.actor_of(bob)] == ["alice", "bob@ops"]
    assert alice_digest not in repr(tokens)


@pytest.mark.parametrize("token", ["", "wrong", DIGEST, "ünïcode"])
def test_a_wrong_token_is_nobodys(tmp_path: Path, token: str) -> None:
    """A token that is not in the file, or the digest of one that is, lets nobody in."""
    tokens = Tokens.load(a_file(tmp_path, f'[tokens]\nalice = "{DIGEST}"\n'))
    with pytest.raises(NotAuthenticated):
        tokens.actor_of(token)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o777])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A tokens file that the group or others can touch stops the start, with what to do."""
    path = a_file(tmp_path, f'[tokens]\nalice = "{DIGEST}"\n', mode)
    with pytest.raises(TokensFileRefused, match=r"can be read by others.*chmod 600"):
        Tokens.load(path)


def test_a_link_is_judged_by_what_it_leads_to(tmp_path: Path) -> None:
    """The mode that counts is the mode of the file that is read."""
    link = tmp_path / "link.toml"
    link.symlink_to(a_file(tmp_path, f'[tokens]\nalice = "{DIGEST}"\n', 0o644))
    with pytest.raises(TokensFileRefused):
        Tokens.load(link)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "names nobody"),
        ("tokens = 3", "names nobody"),
        ("[tokens]", "names nobody"),
        ("[tokens", "is not TOML"),
        ('[tokens]\nalice = "secret"', "no digest for alice"),
        (f'[tokens]\nalice.smith = "{DIGEST}"', "no digest for alice"),
        (f'[tokens]\nengine = "{DIGEST}"', "cannot be a person"),
        (f'[tokens]\n"a b" = "{DIGEST}"', "cannot be a person"),
        (f'[tokens]\nalice = "{DIGEST}"\nbob = "{DIGEST}"', "one token to two people, alice and bob"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    """A fault in the file is named, and no digest or token is repeated."""
    with pytest.raises(TokensFileRefused, match=fault) as refused:
        Tokens.load(a_file(tmp_path, text))
    assert DIGEST not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(TokensFileRefused, match=r"absent\.toml cannot be read"):
        Tokens.load(tmp_path / "absent.toml")


@pytest.mark.parametrize("text", ["[tokens]\n", "", None])
def test_taking_the_last_line_out_shuts_its_person_out(tmp_path: Path, text: str | None) -> None:
    """While the API runs, a file that names nobody any more, or is gone, lets nobody in."""
    token, digest = new_token()
    path = a_file(tmp_path, f'[tokens]\nalice = "{digest}"\n')
    tokens = Tokens.following(path)
    assert tokens.actor_of(token) == "alice"
    path.unlink()
    if text is not None:
        a_file(tmp_path, text)
    with pytest.raises(NotAuthenticated):
        tokens.actor_of(token)


def test_a_broken_file_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    """A slip in the file while the API runs shuts nobody out, and the next good file counts."""
    (alice, alice_digest), (bob, bob_digest) = new_token(), new_token()
    path = a_file(tmp_path, f'[tokens]\nalice = "{alice_digest}"\n')
    tokens = Tokens.following(path)
    a_file(tmp_path, "[tokens")
    assert tokens.actor_of(alice) == "alice"
    a_file(tmp_path, f'[tokens]\nbob = "{bob_digest}"\n')
    assert tokens.actor_of(bob) == "bob"
