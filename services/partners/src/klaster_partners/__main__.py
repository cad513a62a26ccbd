from klaster_partners.settings import PartnersSettings
from klaster_shared.command_line import Service, command_line

main = command_line(Service(package="klaster_partners", settings=PartnersSettings))

if __name__ == "__main__":
    main()
