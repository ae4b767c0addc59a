/** What a kernel was built for. */
export type Architecture = 'x86_64' | 'aarch64' | 'ppc' | 'ppc64' | 'sparc64' | 'mipsel' | 's390x'
