"""Settings from flags and environment: a flag wins over the environment, which wins over the default."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from typing import Any

from collector.settings.checks import problems
from collector.settings.fields import Settings, environment_name
from collector.settings.help import flags_parser

KINDS = {int: "an int", float: "a float", str: "a text", bool: "true or false"}
TRUTHS = {"true": True, "false": False}


def read_settings(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags and environment; exits with code 2 and one clear line on a bad one."""
    parser = flags_parser()
    flags = vars(parser.parse_args(arguments))
    settings = Settings(
        **{
            each.name: _otherwise(parser, each, environment) if flags[each.name] is None else flags[each.name]
            for each in fields(Settings)
        }
    )
    for is_wrong, problem in problems(settings):
        if is_wrong:
            parser.error(problem)
    return settings


def _otherwise(parser: argparse.ArgumentParser, each: Field[Any], environment: Mapping[str, str]) -> Any:
    """The value of a setting without flag; an empty variable is one that was not set."""
    text = environment.get(environment_name(each.name), "")
    if not text:
        return each.default
    try:
        return TRUTHS[text.lower()] if each.metadata["kind"] is bool else each.metadata["kind"](text)
    except (ValueError, KeyError):
        parser.error(f"{environment_name(each.name)}: {text!r} is not {KINDS[each.metadata['kind']]}")
