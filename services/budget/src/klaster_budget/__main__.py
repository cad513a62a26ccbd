from klaster_budget.settings import BudgetSettings
from klaster_shared.command_line import Service, command_line

main = command_line(Service(package="klaster_budget", settings=BudgetSettings))

if __name__ == "__main__":
    main()
