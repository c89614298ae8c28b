"""Operations beside those of workflow runs: each subject has its table."""
