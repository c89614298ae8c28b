"""Other servers of workflows beside Jikko."""
