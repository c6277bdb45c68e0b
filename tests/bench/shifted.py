"""A script under a host's clock that is off by so many seconds: base/clock asks time.time, and nobody else does. Not a bench."""

#: python -c SHIFTED.format(seconds) SCRIPT WORD…
SHIFTED = (
    "import runpy, sys, time; real = time.time; time.time = lambda: real() + {}; "
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)
