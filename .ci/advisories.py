"""Print what pip-audit found, from its JSON; exit with 1 where an update mends something.

A hole that no version mends yet would else keep every submission out, whatever is in it. So would
a package index that knows nothing of holes, as mirrors do not; that it was so is printed.
"""

import json
import sys


def main() -> None:
    """Read standard input; what is not such JSON, as where pip-audit failed, is an error, too."""
    packages = json.load(sys.stdin)["dependencies"]
    is_mendable = False
    for package in packages:
        for hole in package.get("vulns", []):
            mended = ", ".join(hole["fix_versions"])
            is_mendable |= bool(mended)
            print(f"{package['name']} {package['version']}: {hole['id']}, {mended or 'no version'}")
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    print(f"{len(packages) - len(unknown)} of {len(packages)} packages were looked up")
    if unknown:
        print("the package index has no advisories on:", ", ".join(unknown))
    sys.exit(is_mendable or not packages)


if __name__ == "__main__":
    main()
