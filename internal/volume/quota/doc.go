// Package quota speaks with the kernel about project quotas: limits on what the
// files of one project, a number that each of them carries, may take of their file
// system. ext4 and xfs have them, and both answer the same calls (quotactl_fd(2),
// Linux 5.14): xfs where it is mounted with the option prjquota, ext4 where it has
// the features project and quota as well.
//
// What the kernel does not promise: whoever owns a file may give it another
// project, and so take it out of the limit, unless he lives in a user namespace.
// And ext4 holds nobody to a limit who has CAP_SYS_RESOURCE.
package quota
