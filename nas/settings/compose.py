"""Overrides to settings, by Hydra's compose API; its messages said in this project's words.

`conf/` holds one group a folder and one option a file; a folder of the user's own adds to them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nas.errors import SettingsError
from nas.settings import Settings
from nas.settings.keys import keys, sections, unknown_key, unknown_option
from nas.settings.schema import message, schema, settings_of
from nas.settings.search_file import expanded, literal
from nas.settings.source import inherited
from nas.settings.stored import changes_meaning, difference, read, write

__all__ = [
    "changes_meaning",
    "compose",
    "conf_folder",
    "difference",
    "given",
    "override",
    "read",
    "sweep",
    "text",
    "write",
]

KEY = re.compile(r"\w+(\.\w+)*")
QUOTE = "quotes around a value that holds any of ( ) [ ] { } , : = or a blank, as in"


def conf_folder() -> Path:
    """The configuration that ships: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def compose(overrides: Sequence[str] = (), *, config_dir: Path | None = None) -> Settings:
    """The settings these overrides give, as `nas search` takes them.

    With `study.source=OLD` they are on top of that study's settings.

    Raises:
        SettingsError: an unknown group, option or key, a value of the wrong type or out of range,
            or an override that cannot be read.
        StudyError: the settings of the source cannot be read.
    """
    return settings_of(_node(overrides, config_dir))


def text(overrides: Sequence[str] = (), *, config_dir: Path | None = None) -> str:
    """The composed settings as YAML, what `--cfg job` prints.

    Raises:
        SettingsError: as `compose`.
    """
    node = _node(overrides, config_dir)
    settings_of(node)
    return OmegaConf.to_yaml(node, resolve=True)


def sweep(overrides: Sequence[str], *, config_dir: Path | None = None) -> list[list[str]]:
    """All combinations of the values that `--multirun` runs one study each for.

    Raises:
        SettingsError: an override that cannot be read, or has no finite list of values.
    """
    choices = []
    for one in _parse(overrides):
        key = one.get_key_element()
        if not one.is_sweep_override():
            choices.append([str(one.input_line)])
            continue
        if not one.is_discrete_sweep():
            raise SettingsError(
                f"{key}: a sweep needs values that can be listed; got {one.input_line!r}; "
                f"allowed: {key}=A,B or {key}=range(1,4)"
            )
        value = one.value()
        if isinstance(value, Glob):
            options = _options(one.key_or_group, config_dir)
            names = value.filter(options)
            if not names:
                raise unknown_option(key, one.input_line, options)
        else:
            names = list(one.sweep_string_iterator())
        choices.append([f"{key}={name}" for name in names])
    return [list(combination) for combination in itertools.product(*choices)]


def override(
    settings: Settings, overrides: Sequence[str], *, config_dir: Path | None = None
) -> Settings:
    """Settings of a stored study with overrides on top; an option replaces its whole section.

    Raises:
        SettingsError: as `compose`.
    """
    parsed = _checked(overrides, config_dir)
    node = schema(settings)
    picks = [one for one in parsed if "." not in one.key_or_group]
    for one in picks:
        if one.key_or_group not in node:
            raise SettingsError(
                f"{one.key_or_group}: cannot be chosen for a study that exists; got "
                f"{one.input_line!r}; allowed: values such as study.trials=40"
            )
    if picks:
        chosen = _composed([_line(one) for one in picks], config_dir)
        for one in picks:
            node[one.key_or_group] = chosen[one.key_or_group]
    for one in parsed:
        if one not in picks:
            try:
                OmegaConf.update(node, one.key_or_group, one.value())
            except OmegaConfBaseException as error:
                raise message(error) from error
    moved, known = node.execution.scheduler, settings.execution.scheduler
    if moved and settings.target.scheduler == known and "target.scheduler" not in given(overrides):
        node.target.scheduler = moved  # as where it was composed: one cluster, one address
    return settings_of(node)


def given(overrides: Sequence[str]) -> dict[str, object]:
    """The key and the value of each override that has one value.

    Raises:
        SettingsError: an override that cannot be read.
    """
    single = [one for one in _parse(overrides) if not one.is_sweep_override()]
    return {one.key_or_group: one.value() for one in single}


def _node(overrides: Sequence[str], config_dir: Path | None) -> DictConfig:
    """The node of these overrides, on the defaults or on the settings of `study.source`."""
    old = inherited(given(overrides))
    if old is None:
        return _composed(overrides, config_dir)
    return schema(override(old, overrides, config_dir=config_dir))


def _composed(overrides: Sequence[str], config_dir: Path | None) -> DictConfig:
    """The composed node, not yet validated."""
    if config_dir is not None and not config_dir.is_dir():
        raise SettingsError(
            f"--config-dir: must be a folder; got {str(config_dir)!r}; allowed: a folder with one "
            "folder a group and one file an option in it, such as DIR/space/mine.yaml"
        )
    lines = [_line(one) for one in _checked(overrides, config_dir)]
    if config_dir is not None:
        lines.append(f"hydra.searchpath=[{literal(f'file://{config_dir.resolve()}')}]")
    ConfigStore.instance().store("schema", schema())
    try:
        with _own_hydra():
            return hydra_compose("config", overrides=lines)
    except MissingConfigException as error:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        raise unknown_option(group, option, error.options or ()) from error
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError) as error:
        raise _rewritten(error, config_dir) from error


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Hydra's one global instance, for us; that of a program around us is put back."""
    instance = GlobalHydra.instance()
    outer, instance.hydra = instance.hydra, None
    try:
        with initialize_config_dir(str(conf_folder()), job_name="nas", version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = outer


def _rewritten(error: Exception, config_dir: Path | None) -> SettingsError:
    """What Hydra found wrong in the files of a configuration."""
    found = re.match(r"In '([^']+)': ", str(error))
    where = f"{found[1]}.yaml" if found else f"configuration in {config_dir or conf_folder()}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OmegaConfBaseException):
            return SettingsError(f"{where}, {message(cause)}" if found else str(message(cause)))
        cause = cause.__cause__ or cause.__context__
    said = " ".join(str(error).removeprefix(found[0] if found else "").split())
    return SettingsError(
        f"{where}: must be YAML that fits the settings; got {said!r}; allowed: files like those "
        "whose sum `nas search --cfg job` prints"
    )


def _parse(overrides: Sequence[str]) -> list[Override]:
    """Hydra's reading of the overrides, one by one so that a message names the right one."""
    parser = OverridesParser.create()
    parsed = []
    for line in expanded(overrides):
        # Every key exists, so that Hydra's signs for adding one say nothing more.
        plain = line.lstrip("+")
        try:
            (one,) = parser.parse_overrides([plain])
        except (OverrideParseException, ValueError) as error:
            raise _unreadable(plain) from error
        if not one.key_or_group:
            raise _unreadable(plain)
        if one.is_delete() or one.key_or_group.startswith("hydra") or one.package is not None:
            raise SettingsError(
                f"{line}: this form of an override has no use here; got {line!r}; allowed: "
                "GROUP=OPTION, such as sampler=nsga2, or KEY=VALUE, such as study.trials=40"
            )
        parsed.append(one)
    return parsed


def _unreadable(line: str) -> SettingsError:
    key, equals, value = line.partition("=")
    if not equals or not KEY.fullmatch(key):
        return SettingsError(
            f"{line or 'override'}: an override is KEY=VALUE or GROUP=OPTION; got {line!r}; "
            "allowed: for example study.trials=40 or sampler=nsga2"
        )
    return SettingsError(
        f"{key}: the value cannot be read; got {value!r}; allowed: {QUOTE} "
        f'"{key}={literal(value)}", '
        f"or a list as in '{key}=[a,b]'"
    )


def _checked(overrides: Sequence[str], config_dir: Path | None) -> list[Override]:
    """The overrides, each with a key that exists, one value, and an option that exists."""
    parsed = _parse(overrides)
    for one in parsed:
        key = one.key_or_group
        if one.is_sweep_override():
            value = str(one.input_line).partition("=")[2]
            raise SettingsError(
                f"{key}: takes one value; got {value!r}; allowed: --multirun to run a study for "
                f"each, '{key}=[{value}]' for a list, or \"{key}='{value}'\" for text"
            )
        if key in _groups(config_dir):
            options = _options(key, config_dir)
            for option in _picked(one):
                if option not in options:
                    raise unknown_option(key, option, options)
        elif key not in keys() or "." not in key:
            raise unknown_key(key, _groups(config_dir))
    return parsed


def _line(one: Override) -> str:
    """The override as Hydra wants it: a group of the user's own has to be added."""
    own = "." not in one.key_or_group and one.key_or_group not in (*sections(), "experiment")
    return f"{'+' * own}{one.input_line}"


def _picked(one: Override) -> list[str]:
    value = one._value.text if isinstance(one._value, QuotedString) else one.value()
    return [str(v) for v in value] if isinstance(value, list) else [str(value)]


def _folders(config_dir: Path | None) -> list[Path]:
    return [conf_folder(), *([config_dir] if config_dir else [])]


def _groups(config_dir: Path | None) -> set[str]:
    found = (p for folder in _folders(config_dir) for p in folder.rglob("*.yaml"))
    names = set()
    for path in found:
        folder = next(f for f in reversed(_folders(config_dir)) if path.is_relative_to(f))
        names.add(path.parent.relative_to(folder).as_posix())
    return names - {"."}


def _options(group: str, config_dir: Path | None) -> list[str]:
    files = (p for folder in _folders(config_dir) for p in (folder / group).glob("*.yaml"))
    return sorted({path.stem for path in files})
