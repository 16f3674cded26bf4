"""The only place with SQL: accounts, keys, money, request logs; it knows no HTTP.

All money is an integer number of micro-yuan, all times are integer milliseconds since 1970 in UTC.
"""
