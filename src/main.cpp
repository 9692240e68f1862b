// The program; its commands are in src/cli.
#include "cli/commands.h"

int main(int argc, char** argv) { return adieu::cli::run(argc, argv); }
