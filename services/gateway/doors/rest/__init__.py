"""The REST door under `/chat` and `/gateway`, by resource: the same commands and queries as every other door."""
