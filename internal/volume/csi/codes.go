package csi

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// codeOf pairs the kinds of failure with the specification's codes; the first
// match wins.
var codeOf = []struct {
	kind error
	code codes.Code
}{
	{volume.ErrBusy, codes.Aborted},
	{volume.ErrNotFound, codes.NotFound},
	{volume.ErrConflict, codes.AlreadyExists},
	{volume.ErrNoSpace, codes.ResourceExhausted},
	{qos.ErrNoPerformance, codes.ResourceExhausted},
	{qos.ErrParameter, codes.InvalidArgument},
	{volume.ErrSize, codes.OutOfRange},
	{volume.ErrInUse, codes.FailedPrecondition},
	{volume.ErrUnsupported, codes.FailedPrecondition},
	{volume.ErrDamaged, codes.DataLoss},
	{volume.ErrUnusable, codes.Unavailable},
	{volume.ErrNoPool, codes.Unavailable},
	{volume.ErrSource, codes.InvalidArgument},
	{volume.ErrMember, codes.InvalidArgument},
	{context.Canceled, codes.Canceled},
	{context.DeadlineExceeded, codes.DeadlineExceeded},
}

// withCode gives an error its code, unless it has one; what nothing is known
// of is Internal.
func withCode(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	for _, c := range codeOf {
		if errors.Is(err, c.kind) {
			return status.Error(c.code, err.Error())
		}
	}
	return status.Error(codes.Internal, err.Error())
}

// invalid is the error for a request that no repetition makes right.
func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
