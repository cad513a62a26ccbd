from klaster_budget.settings import BudgetSettings
from klaster_shared.command_line import Service, command_line

SERVICE = Service(package="klaster_budget", settings=BudgetSettings)
main = command_line(SERVICE)

if __name__ == "__main__":
    main()
