from klaster_partners.settings import PartnersSettings
from klaster_shared.command_line import Service, command_line
from klaster_shared.lifecycle import Role

SERVICE = Service(package="klaster_partners", settings=PartnersSettings, roles=frozenset({Role.API, Role.RELAY}))
main = command_line(SERVICE)

if __name__ == "__main__":
    main()
