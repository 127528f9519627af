"""Whether `hardpoint.wit` has natively what componentize-py generates: `same_types.py FOLDER`, with the modules
generated for one world in `FOLDER`. Prints each difference and fails if there is one."""

import dataclasses
import enum
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))


def shape(module):
    """Names and members of the classes that a module defines itself."""
    found = {}
    for name, value in vars(module).items():
        if not isinstance(value, type) or value.__module__ != module.__name__:
            continue
        if issubclass(value, enum.Enum):
            found[name] = [(member.name, member.value) for member in value]
        elif dataclasses.is_dataclass(value):
            found[name] = [field.name for field in dataclasses.fields(value)]
        elif name != "Err" and not getattr(value, "_is_protocol", False) and name not in ("Document", "Sink"):
            found[name] = "something else"
    return found


def main(folder):
    generated = {
        file.stem: f"wit_world.{side}.{file.stem}"
        for side in ("imports", "exports")
        for file in (folder / "wit_world" / side).glob("*.py")
        if file.stem != "__init__"
    }
    by_hand = {name: shape(importlib.import_module(f"hardpoint.wit.{name}")) for name in generated}
    sys.path.insert(0, str(folder))
    faults = 0
    for name, path in generated.items():
        wanted = shape(importlib.import_module(path))
        for item in sorted(wanted.keys() | by_hand[name].keys()):
            if wanted.get(item) != by_hand[name].get(item):
                faults += 1
                print(f"{name}.{item}: generated {wanted.get(item)}, by hand {by_hand[name].get(item)}")
    return 1 if faults or not generated else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
