// The program: see src/cli.
int main() { return 64; }
