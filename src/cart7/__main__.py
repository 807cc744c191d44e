"""`python -m cart7` is the command `cart7`."""

import sys

from cart7.cli import main

if __name__ == "__main__":
    sys.exit(main())
