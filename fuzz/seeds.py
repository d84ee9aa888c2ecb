"""Makes inputs for the fuzz targets of the recorded cases: each case is a conversation, each
message in it an input of the decoder.

    python3 fuzz/seeds.py FOLDER

writes them to FOLDER/decoder and FOLDER/conversation.
"""

import json
import sys
from pathlib import Path

CASES = Path(__file__).parent.parent / "tests" / "conformance"

UNIQUE_TYPES, DUPLICATES_ALLOWED = "\0", "\1"


def compact(value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def steps(case):
    """The messages of a case as (socket, frames), and what else happens as a step."""
    for step in case["steps"]:
        if "request" in step:
            yield "R", [step.get("type", "REQ"), compact(step["request"])]
            # What was recorded was on the disk before the next step.
            yield "C", None
        elif "heartbeat" in step:
            yield "H", [compact(step["heartbeat"])]
        elif "sleep" in step:
            yield "T" + str(int(step["sleep"] * 1000)), None
            yield "X", None


def main(folder: Path) -> None:
    decoder, conversation = folder / "decoder", folder / "conversation"
    decoder.mkdir(parents=True, exist_ok=True)
    conversation.mkdir(parents=True, exist_ok=True)
    for path in sorted(CASES.glob("*.json")):
        case = json.loads(path.read_text())
        lines = []
        for number, (step, frames) in enumerate(steps(case)):
            if frames is None:
                lines.append(step)
                continue
            lines.append(step + ("1" if step == "R" else "") + "\t".join(frames))
            (decoder / f"{path.stem}-{number}").write_text("\n".join(["me", *frames]))
        settings = UNIQUE_TYPES if case.get("unique", True) else DUPLICATES_ALLOWED
        # The registry starts again in the end, on what it has stored.
        (conversation / path.stem).write_text(settings + "\n".join([*lines, "S", "R1REQ\t" + '{"action":"list"}']))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
