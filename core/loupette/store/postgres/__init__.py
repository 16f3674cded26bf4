"""The same store in PostgreSQL, for several servers at once; needs the extra ``postgres``."""
