#pragma once

#include "CoreMinimal.h"

class FInternetAddr {};
class FSocket;

#define PLATFORM_SOCKETSUBSYSTEM FName(TEXT("PLATFORM"))

class ISocketSubsystem
{
public:
	static ISocketSubsystem* Get(const FName& SubsystemName = FName());
	virtual void DestroySocket(FSocket* Socket) = 0;
	virtual TSharedRef<FInternetAddr> CreateInternetAddr() = 0;
};
