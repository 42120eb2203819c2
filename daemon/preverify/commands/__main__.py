from preverify.commands import main

main()
