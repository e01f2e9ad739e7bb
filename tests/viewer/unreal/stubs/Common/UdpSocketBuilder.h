#pragma once

#include "CoreMinimal.h"
#include "Interfaces/IPv4/IPv4Endpoint.h"

class FSocket;

class FUdpSocketBuilder
{
public:
	FUdpSocketBuilder(const FString& InDescription);
	FUdpSocketBuilder AsNonBlocking();
	FUdpSocketBuilder BoundToEndpoint(const FIPv4Endpoint& Endpoint);
	FUdpSocketBuilder& WithReceiveBufferSize(int32 SizeInBytes);
	FSocket* Build() const;
};
