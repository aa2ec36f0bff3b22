"""python -m glorot"""

from glorot.cli import main

if __name__ == "__main__":
    main()
