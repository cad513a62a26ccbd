"""What is looked for: each module asks one kind of question of a `Look`, each function yields the findings of one."""
