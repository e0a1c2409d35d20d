"""Write the golden messages anew: `python -m tests.topology.regenerate`. Read the difference before you commit it."""

from __future__ import annotations

from tests.topology.goldens import GENERATED, GOLDEN, messages


def main() -> None:
    for source in sorted(GOLDEN.glob("*.yaml")):
        source.with_suffix(".txt").write_text(messages(source.read_bytes(), source.name), "utf-8")
    for name, make in GENERATED.items():
        (GOLDEN / f"{name}.txt").write_text(messages(make(), f"{name}.yaml"), "utf-8")


if __name__ == "__main__":
    main()
