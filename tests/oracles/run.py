"""Runs one of the oracles beside this file and ends at once: libraries with threads of their own (pyarrow, DuckDB) now and
then abort while the interpreter is taken down, after all has been said. Usage: run.py ORACLE ARGUMENTS"""

import os
import runpy
import sys
import traceback

code = 0
sys.argv = sys.argv[1:]
try:
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    code = end.code
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
except BaseException:
    traceback.print_exc()
    code = 1
sys.stdout.flush()
sys.stderr.flush()
os._exit(code or 0)
