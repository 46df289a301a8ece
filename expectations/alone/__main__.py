import sys

from expectations.alone.command import main

sys.exit(main())
