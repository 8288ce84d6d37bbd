#!/usr/bin/env python3
"""Add Debian's backports suite to apt, from the mirror this machine already uses.

Prints the suite and, where one was written, the file that adds it. A machine that is
not Debian, or whose sources cannot be understood, is left as it is: one sentence on
stderr and exit code 1.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

NAME = "rram-jax-backports"
SUITE = "@suite@"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One active `deb` entry of apt's sources."""

    uris: list[str]
    suites: list[str]
    components: list[str]

    suffix: str
    """`.list` or `.sources`: the format of `entry`."""

    entry: str
    """The same entry for component main of a suite to be put in place of `SUITE`."""

    def offers(self, suite: str) -> bool:
        """Return whether component main of a suite can be downloaded from here."""
        is_disc = any(uri.startswith("cdrom:") for uri in self.uris)
        return suite in self.suites and "main" in self.components and not is_disc

    @property
    def is_debian_mirror(self) -> bool:
        """Whether the address ends as those of Debian's mirrors do."""
        return any(re.search(r"/debian(\.list)?/*$", uri) for uri in self.uris)


def read_one_line(text: str) -> list[Source]:
    """Read `sources.list`: `deb [options] uri suite component...` on each line."""
    pattern = r"\s*deb\s+((?:\[[^]]*\]\s+)?)(\S+)\s+(\S+)\s+([^#]*)"
    return [
        Source(
            uris=[uri],
            suites=[suite],
            components=components.split(),
            suffix=".list",
            entry=f"deb {options}{uri} {SUITE} main\n",
        )
        for line in text.splitlines()
        if (match := re.match(pattern, line))
        for options, uri, suite, components in [match.groups()]
    ]


def read_deb822(text: str) -> list[Source]:
    """Read `*.sources`: stanzas of `Field: value`, continued in indented lines."""
    text = re.sub(r"(?m)^#.*\n?", "", text)
    replaced = {"types": " deb", "suites": f" {SUITE}", "components": " main"}
    sources = []
    for stanza in re.split(r"\n(?:[ \t]*\n)+", text):
        pairs = re.findall(r"(?m)^([\w-]+):(.*(?:\n[ \t].*)*)", stanza)
        fields = {name.lower(): value.split() for name, value in pairs}
        is_enabled = fields.get("enabled") not in (["no"], ["false"], ["0"])
        if not is_enabled or "deb" not in fields.get("types", []):
            continue
        sources.append(
            Source(
                uris=fields.get("uris", []),
                suites=fields.get("suites", []),
                components=fields.get("components", []),
                suffix=".sources",
                entry="".join(
                    f"{name}:{replaced.get(name.lower(), value)}\n"
                    for name, value in pairs
                ),
            )
        )
    return sources


READERS = {".list": read_one_line, ".sources": read_deb822}


def read_sources(etc: Path) -> list[Source]:
    """Read every source that apt reads, in its order."""
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    return [
        source
        for file in files
        if file.suffix in READERS and file.is_file()
        for source in READERS[file.suffix](file.read_text(errors="replace"))
    ]


def add_backports(etc: Path, codename: str) -> tuple[str, Path | None]:
    """Make sure that apt's sources hold the backports suite of a Debian release.

    Args:
        etc: apt's folder, `/etc/apt`.
        codename: of the release, `bookworm`.

    Returns:
        The suite, and the file written, or None where the suite was there already.

    Raises:
        LookupError: no source could be copied.
    """
    suite = f"{codename}-backports"
    sources = read_sources(etc)
    if any(source.offers(suite) for source in sources):
        return suite, None
    fitting = [source for source in sources if source.offers(codename)]
    # Other vendors name the suites of their own packages after Debian's releases too.
    fitting.sort(key=lambda source: not source.is_debian_mirror)
    if not fitting:
        raise LookupError(f"no apt source offers {codename} main, so none for {suite}")
    file = (etc / "sources.list.d" / NAME).with_suffix(fitting[0].suffix)
    file.parent.mkdir(exist_ok=True)
    file.write_text(fitting[0].entry.replace(SUITE, suite))
    file.chmod(0o644)  # apt reads it as a user of its own, whatever root's umask is
    return suite, file


def debian_codename(os_release: str) -> str:
    """Return the release's name from the text of `/etc/os-release`.

    Raises:
        LookupError: this is not Debian, or a Debian without a release.
    """
    pairs = re.findall(r"(?m)^(\w+)=[\"']?([^\"'\n]*)", os_release)
    fields = dict(pairs)
    if fields.get("ID") != "debian" or not fields.get("VERSION_CODENAME"):
        name = fields.get("PRETTY_NAME", "this system")
        raise LookupError(f"{name} is no Debian release, so it has no backports suite")
    return fields["VERSION_CODENAME"]


def main() -> None:
    """Add the suite to this machine's `/etc/apt`; needs root."""
    try:
        codename = debian_codename(Path("/etc/os-release").read_text())
        suite, file = add_backports(Path("/etc/apt"), codename)
    except (LookupError, OSError) as error:
        sys.exit(str(error))
    print(suite, file or "")


if __name__ == "__main__":
    main()
