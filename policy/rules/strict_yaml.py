"""
YAML as a rule pack may be written: plain data, and no key twice.

YAML readers keep the last of two equal keys and say nothing, so that a rule would lose a condition in silence.
"""

import yaml
from yaml.constructor import ConstructorError


class YamlProblem(ValueError):
    """A text that is not the YAML asked for: the line, and what is wrong there."""


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for at, key in enumerate(keys):
            if any(key.value == other.value for other in keys[:at]):
                raise ConstructorError(problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark)
        return dict(super().construct_mapping(node, deep=deep))


def read_yaml(text: str) -> object:
    """The data in a YAML text. Raises YamlProblem."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise YamlProblem(f"{line}{error.problem}") from error
    except yaml.YAMLError as error:
        raise YamlProblem(str(error)) from error
    finally:
        loader.dispose()
