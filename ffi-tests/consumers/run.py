"""Uses the library as projects elsewhere do. Arguments: the groups of checks, which are files here."""

import importlib
import os
import sys

import outside


def main():
    for group in sys.argv[1:]:
        importlib.import_module(group)
    required = os.environ.get("REQUIRE") == "all"
    failed = 0
    for function in outside.checks:
        promise = function.__name__.replace("_", " ")
        try:
            wrong = outside.fails(function)
        except outside.tools.Missing as missing:
            print(f"skip: {promise}: {missing}")
            failed += required
            continue
        print(f"FAIL  {promise}\n{wrong}" if wrong else f"ok    {promise}", flush=True)
        failed += wrong is not None
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
