package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// Causes of failures, in words that the owner can use. They name no credential and
// repeat nothing that the upstream has written.
var (
	errSlow        = errors.New("no answer came in time")
	errPaused      = errors.New("the answer did not go on in time")
	errHead        = errors.New("the answer does not begin as one of HTTP does")
	errBody        = errors.New("the answer broke off, or is not one of HTTP")
	errNoFiles     = errors.New("this process has no file descriptors left: the gateway's limit (ulimit -n), no fault of the provider's")
	errNoFilesHere = errors.New("this machine has no file descriptors left, which is no fault of the provider's")
)

// causeOf names the kind of an error of the network: a want of descriptors here, the
// name of the host, or TLS.
func causeOf(err error) error {
	var lookup *net.DNSError
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, syscall.ENFILE), strings.Contains(err.Error(), syscall.ENFILE.Error()): // a look-up tells no more than the text
		return errNoFilesHere
	case errors.Is(err, syscall.EMFILE), strings.Contains(err.Error(), syscall.EMFILE.Error()):
		return errNoFiles
	case errors.As(err, &lookup):
		return fmt.Errorf("DNS: %w", err)
	case errors.As(err, &record):
		return fmt.Errorf("TLS: the upstream answers without it: %w", err)
	case errors.As(err, &verify), errors.As(err, &alert), errors.As(err, &unknown), strings.Contains(err.Error(), "tls: "):
		return fmt.Errorf("TLS: %w", err)
	}
	return err
}

// onWay is the error of net/http on the way to an answer. An error of the network is told
// in its own words. Other errors repeat what the upstream has written, so otherwise is told
// in their place.
func onWay(err, otherwise error) error {
	var network net.Error
	if cause := causeOf(err); cause != err || errors.As(err, &network) {
		return cause
	}
	return otherwise
}
