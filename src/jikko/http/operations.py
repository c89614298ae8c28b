"""Every operation of the API in one table, for what describes it; to import it imports all of them."""

from typing import Final

from jikko.http.operation import all_operations
from jikko.http.served import API

OPERATIONS: Final = all_operations(API)
