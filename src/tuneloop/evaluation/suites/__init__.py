"""Sets of prompts that are asked besides the task's test rows, one file each, and the rule by which they are scored."""
