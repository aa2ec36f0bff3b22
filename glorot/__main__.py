"""python -m glorot"""

from glorot.cli.main import main

if __name__ == "__main__":
    main()
