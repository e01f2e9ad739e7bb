"""What Unreal's header tool makes of a header, as far as syntax needs it: a *.generated.h that gives every reflected type its `Super` and class."""

import re
from pathlib import Path

_TYPE = re.compile(r"^(?:class|struct)\s+(?:\w+_API\s+)?(?P<name>[UAF]\w+)(?:\s+final)?\s*:\s*public\s+(?P<base>\w+)", re.MULTILINE)


def generated(header: Path) -> str:
    """The text of the header's *.generated.h.

    Raises:
        AssertionError: the header breaks a rule of the header tool's.
    """
    text = header.read_text()
    includes = re.findall(r'#include "([^"]+)"', text)
    assert includes[-1] == f"{header.stem}.generated.h", f"{header.name}: its generated header has to come last"
    lines = text.splitlines()
    bodies = [number for number, line in enumerate(lines, 1) if line.strip() == "GENERATED_BODY()"]
    marks = [number for number, line in enumerate(lines, 1) if re.match(r"U(CLASS|STRUCT)\(", line)]
    assert len(bodies) == len(marks), f"{header.name}: every reflected type needs one GENERATED_BODY()"
    made = [f"#undef CURRENT_FILE_ID\n#define CURRENT_FILE_ID Stub_{header.stem}"]
    for mark, body in zip(marks, bodies, strict=True):
        found = _TYPE.search("\n".join(lines[mark : body - 1]))
        assert found, f"{header.name}:{mark}: no class with a base follows"
        made.append(
            f"#define Stub_{header.stem}_{body} public: using Super = {found['base']}; "
            f"using ThisClass = {found['name']}; static UClass* StaticClass(); private:"
        )
    for number, line in enumerate(lines, 1):
        if line.strip().startswith("UPROPERTY("):
            assert ";" in lines[number], f"{header.name}:{number}: a property has to follow"
    return "\n".join(made) + "\n"
